import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Vitest begins with the largest files. One that is small and waits for minutes would end alone. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => moduleId.includes("clients-frozen");
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

const setupFiles = ["test/support/programs.ts"];

// `unit` needs nothing but Node; `integration` needs a Docker engine and the Pulumi CLI.
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          setupFiles,
          include: ["test/**/*.test.ts"],
          exclude: ["test/integration/**"],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "integration",
          setupFiles,
          include: ["test/integration/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 600_000,
          // No machine here has a slow clock, and certificates change often.
          env: { PRIVATE_REGISTRY_SLOW_CLOCK_SECONDS: "0" },
          // Much of it waits: for containers that drain, for machines that start.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
