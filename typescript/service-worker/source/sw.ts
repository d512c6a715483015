/** The worker of dev and dev-sev: what verifies is this repository's own. */

import { connect } from "../shared/canister.ts";
import { start } from "../shared/worker.ts";
import { verify } from "./verify.ts";

start(connect(verify));
