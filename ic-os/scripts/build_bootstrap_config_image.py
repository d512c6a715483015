"""Makes the bootstrap medium of a GuestOS: build-bootstrap-config-image OUT [--OPTION=VALUE ...].

Everything but OUT is an option; the same options give the same bytes.
"""

from bootstrap_config import GUESTOS
from bootstrap_program import start

if __name__ == "__main__":
    start("build-bootstrap-config-image", GUESTOS)
