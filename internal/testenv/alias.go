package testenv

import (
	"context"
	"testing"

	"github.com/fairlead-dev/fairlead/fairleadtest"
)

// What fairleadtest has, by its names there.
type (
	// Env is a set of clusters.
	Env = fairleadtest.Env
	// Spec says which cluster to start.
	Spec = fairleadtest.Spec
	// Cluster is one control plane.
	Cluster = fairleadtest.Cluster
	// Proxy is the network to a cluster.
	Proxy = fairleadtest.Proxy
	// Target is what a kubeconfig's context can name; a Hostile is one too.
	Target = fairleadtest.Target
)

// HubAndMembers returns the specs of a hub and n members.
func HubAndMembers(n int) []Spec { return fairleadtest.HubAndMembers(n) }

// New starts clusters.
func New(ctx context.Context, specs ...Spec) (*Env, error) { return fairleadtest.New(ctx, specs...) }

// Start starts clusters that end with the test.
func Start(t testing.TB, specs ...Spec) *Env {
	t.Helper()
	return fairleadtest.Start(t, specs...)
}

// Require skips or fails a test where there is no control plane.
func Require(t testing.TB) {
	t.Helper()
	fairleadtest.Require(t)
}

// Kubeconfig returns one kubeconfig with a context per target.
func Kubeconfig(targets ...Target) ([]byte, error) { return fairleadtest.Kubeconfig(targets...) }

// WriteKubeconfig is Kubeconfig into a file.
func WriteKubeconfig(path string, targets ...Target) error {
	return fairleadtest.WriteKubeconfig(path, targets...)
}
