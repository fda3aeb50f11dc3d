/* The scripts of every page but its theme. Each module serves the elements that it is named for. */

import "./times.js";
import "./flash.js";
import "./clients.js";
import "./form.js";
import "./address.js";
import "./heatmap.js";
import "./focus.js";
import "./charts/chart.js";
import "./live.js";
import "./submit_guard.js";
import "./page.js";
