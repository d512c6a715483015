"""Makes the bootstrap medium of a Boundary-guestOS: build-boundary-bootstrap-config-image OUT [--OPTION=VALUE ...].

Everything but OUT is an option; the same options give the same bytes.
"""

from bootstrap_program import start
from boundary_bootstrap_config import BOUNDARY

if __name__ == "__main__":
    start("build-boundary-bootstrap-config-image", BOUNDARY)
