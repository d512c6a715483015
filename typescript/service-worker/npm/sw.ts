/** The worker of prod and prod-sev: what verifies is the published package @dfinity/response-verification. */

import { connect } from "../shared/canister.ts";
import { start } from "../shared/worker.ts";
import { verify } from "./verify.ts";

start(connect(verify));
