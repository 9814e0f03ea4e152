// Package pins holds the versions under which the providers present themselves. They are those of
// the npm packages in package.json, set at link time:
//
//	-ldflags "-X example.local/toolchain/providers/internal/pins.Docker=5.2.0 …"
package pins

// Versions of the npm packages whose provider each program stands in for.
var (
	Docker = "0.0.0-dev"
	Random = "0.0.0-dev"
	TLS    = "0.0.0-dev"
)
