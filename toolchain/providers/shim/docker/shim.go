// Package shim reaches the upstream provider's constructor, which lies in an internal package: only
// a module whose path begins with upstream's may import it.
package shim

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"

	upstream "github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// NewProvider returns the upstream docker provider.
func NewProvider() *schema.Provider { return upstream.New("dev")() }
