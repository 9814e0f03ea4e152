// Command pulumi-resource-tls is the provider of @pulumi/tls, made of the same upstream
// Terraform provider and the same bridge as the official one.
package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-provider-tls/shim"
	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"

	"example.local/toolchain/providers/internal/pins"
)

func main() {
	schema := pf.ProviderMetadata{PackageSchema: packageSchema(pins.TLS)}
	pf.Main(context.Background(), "tls", provider(pins.TLS), schema)
}

// provider maps the upstream provider's resources to the names that @pulumi/tls uses.
func provider(version string) tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:                              pf.ShimProvider(shim.NewProvider()),
		Name:                           "tls",
		Version:                        version,
		MetadataInfo:                   tfbridge.NewProviderMetadata([]byte("{}")),
		EnableZeroDefaultSchemaVersion: true,
	}
	info.MustComputeTokens(tokens.SingleModule("tls_", "index", tokens.MakeStandard("tls")))
	return info
}

// packageSchema is as much of a package schema as the engine asks for. The full one exists to
// generate the npm package, which is taken as published.
func packageSchema(version string) []byte {
	return fmt.Appendf(nil, `{"name":"tls","version":%q}`, version)
}
