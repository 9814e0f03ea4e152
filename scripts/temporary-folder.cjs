// In plain Node, as what loads TypeScript already needs a folder for temporary files.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

function isWritableFolder(folder) {
  try {
    fs.accessSync(folder, fs.constants.W_OK | fs.constants.X_OK);
    return path.isAbsolute(folder) && fs.statSync(folder).isDirectory();
  } catch {
    return false;
  }
}

/** Forgets where temporary files are to be, if nothing can be written there: /tmp takes them then. */
function leaveOutUnusableFolders(env, say) {
  for (const name of ["TMPDIR", "TMP", "TEMP"]) {
    const folder = env[name];
    if (!folder || isWritableFolder(folder)) continue;
    delete env[name];
    say(`• ${name} is ${folder}, which is no folder that can be written: not used`);
  }
}

module.exports = { leaveOutUnusableFolders };
