package fairleadtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"
)

// RequireEnv is the name of an environment variable. If it is set, a test that would be
// skipped because there is no control plane fails instead: for CI, where a skipped test
// is a test that nobody runs.
const RequireEnv = "FAIRLEAD_REQUIRE_CONTROL_PLANE"

// Require skips the test with -short, and where [Find] finds no servers to start. With
// RequireEnv set the test runs also with -short, and fails where there are none.
func Require(t testing.TB) {
	t.Helper()
	required := os.Getenv(RequireEnv) != ""
	if testing.Short() && !required {
		skip(t, "needs real API servers: skipped with -short")
	}
	if _, err := Find(); err != nil {
		if required || !errors.Is(err, ErrNoControlPlane) {
			t.Fatal(err)
		}
		skip(t, err)
	}
}

// skip is t.Skip. Of a benchmark go test would show the reason only with -v.
func skip(t testing.TB, reason any) {
	t.Helper()
	if _, ok := t.(*testing.B); ok && !testing.Verbose() {
		fmt.Printf("--- SKIP: %s: %v\n", t.Name(), reason)
	}
	t.Skip(reason)
}

// Start is [New] for a test or benchmark: the clusters end with it. Without a control
// plane it skips or fails as [Require] does; every other error fails the test.
func Start(t testing.TB, specs ...Spec) *Env {
	t.Helper()
	Require(t)
	env, err := New(t.Context(), specs...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Errorf("end the test clusters: %v", err)
		}
	})
	return env
}

var namespaces atomic.Int64

// NewNamespace makes a namespace of its own for the test and returns its name.
// Nobody deletes it: no controller would empty it.
func (c *Cluster) NewNamespace(t testing.TB) string {
	t.Helper()
	name := "test-" + strconv.FormatInt(namespaces.Add(1), 10)
	if err := c.createNamespace(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return name
}

func (c *Cluster) createNamespace(ctx context.Context, name string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("create namespace %s in cluster %s: %w", name, c.name, err)
		}
	}()
	client, err := rest.HTTPClientFor(c.Config())
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections() // A test may count its goroutines.
	body := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": %q}}`, name)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL()+"/api/v1/namespaces", strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	_, err = exchange(client, request, http.StatusCreated)
	return err
}
