package testkv

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/controlplane"
	"github.com/fairlead-dev/fairlead/internal/testserver"
)

// EtcdOptions say what is started.
type EtcdOptions struct {
	// Members is how many there are. 0 is one.
	Members int
	// TLS is for clients, who have to show a certificate. Nil: without.
	TLS *TLS
	// Sync: writes are on disk before they are acknowledged. It is for measurements.
	Sync bool
}

// StartEtcd starts a cluster of etcd.
func StartEtcd(t testing.TB, o EtcdOptions) []*Server {
	t.Helper()
	if testing.Short() && os.Getenv(requireEnv) == "" {
		t.Skip("needs a real etcd: skipped with -short")
	}
	assets, err := controlplane.Find()
	if err != nil {
		testserver.Missing(t, requireEnv, err)
	}
	members := make([]*Server, max(o.Members, 1))
	var peers []string
	for i := range members {
		s, port := prepare(t, "etcd", filepath.Join(assets, "etcd"), o.TLS)
		name, peer := fmt.Sprint("m", i), fmt.Sprint("http://127.0.0.1:", port())
		peers = append(peers, name+"="+peer)
		s.Args = []string{
			"--name=" + name, "--data-dir=" + filepath.Join(s.Dir, "data"), "--log-level=warn",
			"--bcrypt-cost=4", // each authentication would take a good part of a second
			"--listen-client-urls=" + s.URL, "--advertise-client-urls=" + s.URL,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
		}
		if o.TLS != nil { // the gateway is a client of its own server
			s.Args = append(s.Args, "--client-cert-auth", "--trusted-ca-file="+o.TLS.CA,
				"--cert-file="+o.TLS.ServerCert, "--key-file="+o.TLS.ServerKey,
				"--client-cert-file="+o.TLS.ClientCert, "--client-key-file="+o.TLS.ClientKey)
		}
		if !o.Sync {
			s.Args = append(s.Args, "--unsafe-no-fsync")
		}
		s.Ready = func(ctx context.Context) error {
			var health struct{ Health string }
			if err := s.Call(ctx, http.MethodGet, "/health", nil, nil, &health); err != nil {
				return err
			}
			if health.Health != "true" {
				return errors.New("it is not healthy")
			}
			return nil
		}
		members[i] = s
	}
	for _, s := range members {
		s.Args = append(s.Args, "--initial-cluster="+strings.Join(peers, ","))
		s.Begin(t)
	}
	for _, s := range members {
		s.Await(t)
	}
	return members
}

// EtcdAuth is authentication that was enabled in an etcd.
type EtcdAuth struct {
	server       *Server
	rootPassword string
}

// EnableAuth enables authentication, with a user root of that password, and a user with
// a role of the same name.
func (s *Server) EnableAuth(t testing.TB, rootPassword, user, password string) *EtcdAuth {
	t.Helper()
	do := func(path string, body map[string]any) {
		t.Helper()
		must(t, s.Call(t.Context(), http.MethodPost, "/v3/auth/"+path, nil, body, nil))
	}
	do("user/add", map[string]any{"name": "root", "password": rootPassword})
	do("role/add", map[string]any{"name": "root"})
	do("user/grant", map[string]any{"user": "root", "role": "root"})
	do("user/add", map[string]any{"name": user, "password": password})
	do("role/add", map[string]any{"name": user})
	do("user/grant", map[string]any{"user": user, "role": user})
	do("enable", map[string]any{})
	return &EtcdAuth{s, rootPassword}
}

// As returns the header of a request as root.
func (a *EtcdAuth) As(t testing.TB) map[string]string {
	t.Helper()
	var answer struct{ Token string }
	must(t, a.server.Call(t.Context(), http.MethodPost, "/v3/auth/authenticate", nil, map[string]any{"name": "root", "password": a.rootPassword}, &answer))
	return map[string]string{"Authorization": answer.Token}
}

// Do sends a request below /v3/ as root.
func (a *EtcdAuth) Do(t testing.TB, path string, body map[string]any) {
	t.Helper()
	must(t, a.server.Call(t.Context(), http.MethodPost, "/v3/"+path, a.As(t), body, nil))
}

// Save stops an etcd of one member, saves its data and starts it again. The function that
// it returns puts that data back: what was written meanwhile is lost.
func (s *Server) Save(t testing.TB) (restore func(testing.TB)) {
	t.Helper()
	data, saved := filepath.Join(s.Dir, "data"), t.TempDir()
	s.Kill(t)
	must(t, os.CopyFS(saved, os.DirFS(data)))
	s.Start(t)
	return func(t testing.TB) {
		t.Helper()
		s.Kill(t)
		must(t, os.RemoveAll(data))
		must(t, os.CopyFS(data, os.DirFS(saved)))
		must(t, os.Chmod(data, 0o700)) //nolint:gosec // A folder.
		s.Start(t)
	}
}

// Replace puts an empty cluster in the place of an etcd of one member.
func (s *Server) Replace(t testing.TB) {
	t.Helper()
	s.Kill(t)
	must(t, os.RemoveAll(filepath.Join(s.Dir, "data")))
	s.Args = append(s.Args, "--initial-cluster-token="+filepath.Base(t.TempDir())+t.Name())
	s.Start(t)
}
