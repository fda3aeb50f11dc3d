/* Everything a page does by script, beside its theme. Each module looks after the elements it is named for. */

import "./times.js";
import "./title.js";
import "./flash.js";
import "./clients.js";
import "./form.js";
import "./address.js";
import "./heat.js";
import "./focus.js";
import "./charts/chart.js";
import "./live.js";
import "./submit_guard.js";
import "./deleted_run.js";
