import { registryUser } from "./bare-registry";
import type { Machine } from "./machine";

/**
 * Pulls an image as the kubelet does: over the CRI, a gRPC service on containerd's socket, with
 * curl, since no package has `crictl`.
 *
 * @returns what gRPC says of it, `0` for success, and its message
 */
export async function criPull(
  machine: Machine,
  image: string,
  user = registryUser,
): Promise<{ status: string; message: string }> {
  const request =
    field(1, field(1, image)) + field(2, field(1, user.name) + field(2, user.password));
  const { stdout } = await machine.exec(
    "curl --silent --http2-prior-knowledge --unix-socket /run/containerd/containerd.sock " +
      "--header 'content-type: application/grpc' --header 'te: trailers' --data-binary @- " +
      "--dump-header - --output /dev/null http://localhost/runtime.v1.ImageService/PullImage",
    // A message that is not compressed, and its length.
    { stdin: `\0\0\0\0${String.fromCharCode(request.length)}${request}` },
  );
  return {
    status: /^grpc-status: *(\d+)/m.exec(stdout)?.[1] ?? stdout,
    message: decodeURIComponent(/^grpc-message: *(.*?)\r?$/m.exec(stdout)?.[1] ?? ""),
  };
}

/** A field of protobuf's, of text or a message. */
function field(number: number, value: string): string {
  if (value.length > 120) {
    throw new Error(`expected at most 120 bytes, got ${value.length}: ${value}`);
  }
  return String.fromCharCode(number * 8 + 2, value.length) + value;
}
