package local

import (
	"io/fs"
	"os"
	"path"
	"strings"

	globs "github.com/gobwas/glob"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

const globRules = "Only files match. `*` stops at `/`, `**` does not. A rule that starts with `!` takes " +
	"matches out again; rules apply in order. The syntax is that of github.com/gobwas/glob."

// glob finds the files below dir that the rules leave in, by their path relative to dir.
func glob(dir string, rules []string) (map[string]*types.AssetOrArchive, error) {
	patterns := make([]globs.Glob, len(rules))
	for i, rule := range rules {
		var err error
		if patterns[i], err = globs.Compile(strings.TrimPrefix(rule, "!"), '/'); err != nil {
			return nil, err
		}
	}
	found := map[string]*types.AssetOrArchive{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		in := false
		for i, pattern := range patterns {
			if pattern.Match(file) {
				in = !strings.HasPrefix(rules[i], "!")
			}
		}
		if !in {
			return nil
		}
		asset, err := resource.NewPathAsset(path.Join(dir, file))
		found[file] = &types.AssetOrArchive{Asset: asset}
		return err
	})
	return found, err
}
