import { execa } from "execa";
import { findProgram } from "../find-program";
import type { Progress } from "../progress";

/** Pulumi's installer; its plugins come from the same site. */
export const installerAddress = "https://get.pulumi.com/install.sh";

/** How long the site may take to answer; where it is not reachable, refusal comes sooner or never. */
const CONNECT_SECONDS = 5;

let answer: Promise<boolean> | undefined;

/** Whether Pulumi's downloads can be reached. Asked once in a run. */
export function canDownload(progress: Progress): Promise<boolean> {
  answer ??= ask(progress);
  return answer;
}

async function ask(progress: Progress): Promise<boolean> {
  // The installer itself needs curl, which also knows the machine's proxies.
  if (findProgram("curl", process.env["PATH"]) === undefined) return false;
  const limit = String(CONNECT_SECONDS);
  const result = await execa(
    "curl",
    ["--fail", "--silent", "--head", "--location", "--max-time", limit, installerAddress],
    { reject: false, stdin: "ignore" },
  );
  if (result.exitCode === 0) return true;
  progress.note(
    "• Pulumi's downloads are not reachable from here: its engine is built from Go modules",
  );
  return false;
}
