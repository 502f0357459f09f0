package fairleadtest

import (
	"context"
	"io"

	"github.com/fairlead-dev/fairlead/internal/controlplane"
)

// ErrNoControlPlane is what Find, and so New, returns where there are no servers.
var ErrNoControlPlane = controlplane.ErrNotFound

// Find returns the directory that holds the programs kube-apiserver and etcd, the first
// of these that does:
//
//   - the environment variable KUBEBUILDER_ASSETS
//   - the cache that Assets fills, below [os.UserCacheDir], for the versions that it makes
//   - the newest patch of the same minor version of Kubernetes, in that cache or where
//     setup-envtest puts its downloads
//
// It only looks, and returns ErrNoControlPlane when there is none.
func Find() (string, error) { return controlplane.Find() }

// Assets is Find, and where that finds nothing it downloads the programs with
// setup-envtest or, where that is not possible, builds them with the go command from
// their modules. A build takes minutes and some gigabytes of Go's build cache.
//
// Of several processes that call it at once one makes the programs and the others wait.
// Progress is written to the writer in whole lines. When ctx ends, Assets returns an
// error; the next call goes on where this one was.
func Assets(ctx context.Context, progress io.Writer) (string, error) {
	return controlplane.Assets(ctx, progress)
}
