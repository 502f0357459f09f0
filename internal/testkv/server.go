package testkv

import (
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testserver"
)

// requireEnv is fairleadtest.RequireEnv: with it a test fails where it would be skipped.
const requireEnv = "FAIRLEAD_REQUIRE_CONTROL_PLANE"

// TLS are the files of a server with TLS, and of its clients.
type TLS = testserver.TLS

// NewTLS makes files in a folder of the test's.
func NewTLS(t testing.TB) *TLS {
	t.Helper()
	return testserver.NewTLS(t)
}

// Server is an etcd or a Consul that a test has started.
type Server struct{ *testserver.Server }

func prepare(t testing.TB, name, program string, files *TLS) (*Server, func() int) {
	t.Helper()
	s, port := testserver.Prepare(t, name, program, files)
	return &Server{s}, port
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
