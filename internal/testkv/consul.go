package testkv

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testserver"
)

// ConsulOptions say what is started.
type ConsulOptions struct {
	// ManagementToken enables ACLs, which deny what no token allows. It is a UUID.
	ManagementToken string
	// TLS is for clients, who have to show a certificate. Nil: without.
	TLS *TLS
}

// StartConsul starts an agent of Consul that is the only server of its datacenter.
func StartConsul(t testing.TB, o ConsulOptions) *Server {
	t.Helper()
	if testing.Short() && os.Getenv(requireEnv) == "" {
		t.Skip("needs a real Consul: skipped with -short")
	}
	program, err := Consul.Find()
	if err != nil {
		testserver.Missing(t, requireEnv, err)
	}
	s, port := prepare(t, "consul", program, o.TLS)
	u, err := url.Parse(s.URL)
	must(t, err)
	number, err := strconv.Atoi(u.Port())
	must(t, err)
	ports := map[string]int{"http": number, "https": -1, "dns": -1, "grpc": -1, "grpc_tls": -1, "server": port(), "serf_lan": port(), "serf_wan": port()}
	config := map[string]any{
		"server": true, "bootstrap_expect": 1, "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1",
		"data_dir": filepath.Join(s.Dir, "data"), "ports": ports, "log_level": "warn",
		"performance": map[string]int{"raft_multiplier": 1}, "disable_update_check": true, "leave_on_terminate": false,
		"connect": map[string]bool{"enabled": false},
		"limits":  map[string]int{"http_max_conns_per_client": 4000}, // all processes of a test are one client: the default is 200
	}
	if o.ManagementToken != "" {
		config["acl"] = map[string]any{
			"enabled": true, "default_policy": "deny", "tokens": map[string]string{"initial_management": o.ManagementToken, "agent": o.ManagementToken},
		}
	}
	if o.TLS != nil {
		ports["http"], ports["https"] = -1, number
		config["tls"] = map[string]any{"https": map[string]any{
			"ca_file": o.TLS.CA, "cert_file": o.TLS.ServerCert, "key_file": o.TLS.ServerKey, "verify_incoming": true,
		}}
	}
	text, err := json.Marshal(config)
	must(t, err)
	file := filepath.Join(s.Dir, "config.json")
	must(t, os.WriteFile(file, text, 0o600))
	s.Args = []string{"agent", "-config-file=" + file}
	s.Ready = func(ctx context.Context) error {
		return s.Call(ctx, http.MethodPut, "/v1/kv/ready", map[string]string{"X-Consul-Token": o.ManagementToken}, "yes", nil)
	}
	s.Start(t)
	return s
}
