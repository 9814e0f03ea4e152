// Package shim reaches the upstream provider's constructor, which lies in an internal package: only
// a module whose path begins with upstream's may import it.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"

	upstream "github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// NewProvider returns the upstream random provider.
func NewProvider() provider.Provider { return upstream.New() }
