import { quote } from "../../components/render/shell";

/**
 * A line of shell that builds an image of four layers: tools, and three files of 1 to 3 MB of
 * random bytes. To run it is to compare every byte of the files with its sums. It needs no image to
 * start from.
 */
export function buildLayeredImage(tag: string): string {
  return `set -e
folder=$(mktemp -d)
cd "$folder"
mkdir base layer
for program in /bin/sh /usr/bin/sha256sum; do
  for file in "$program" $(ldd "$program" | grep -o '/[^ ]*'); do
    mkdir -p "base$(dirname "$file")"
    cp -L "$file" "base$file"
  done
done
for n in 1 2 3; do
  head -c "\${n}000000" /dev/urandom >"layer/$n"
  (cd /; sha256sum "$folder/layer/$n") | sed "s|$folder||" >>base/sums
done
cat >Dockerfile <<END
FROM scratch
COPY base /
COPY layer/1 /layer/1
COPY layer/2 /layer/2
COPY layer/3 /layer/3
CMD ["/usr/bin/sha256sum", "-c", "/sums"]
END
DOCKER_BUILDKIT=0 docker build --tag ${quote(tag)} . >/dev/null 2>&1
rm -r "$folder"`;
}
