package connection

import (
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// TestSentCredentialsAreRedacted: those of a file are known only once they are
// sent.
func TestSentCredentialsAreRedacted(t *testing.T) {
	h := testenv.StartHostile(t, "liar")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(h.Token()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := h.Config()
	cfg.BearerToken, cfg.BearerTokenFile = "", file
	h.Lie(testenv.Everything, testenv.Echo(500))
	c := newConnection(t, Options{REST: cfg, Config: Config{ReconnectMax: time.Second}})
	t.Cleanup(running(t, c))
	eventually(t, "it backs off", func() bool { return c.Status().State == member.BackingOff })
	got := c.Status().LastError
	for _, part := range []string{h.Token(), strings.ToUpper(h.Token()), base64.StdEncoding.EncodeToString([]byte(h.Token()))[:20]} {
		if strings.Contains(got, part) {
			t.Errorf("shown: %s", got)
		}
	}
	if !strings.HasPrefix(got, "you sent Bearer [redacted], [redacted]") {
		t.Error(got)
	}
}

func TestCredentialsOfRequestsAreNoted(t *testing.T) {
	r := redactorOf(nil)
	n := &noteSent{redact: r, next: &fakeMember{}}
	for _, header := range []string{"Bearer token-1 ", "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pass-word"))} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.example", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", header)
		resp, err := n.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if got := r.Clean("user: token-1, pass-word"); got != "user: [redacted], [redacted]" {
		t.Error(got)
	}
}

// TestWordsOfAnEnvironment: what a plugin's environment says of regions, profiles
// and switches is no secret, and would be missing in every other text.
func TestWordsOfAnEnvironment(t *testing.T) {
	cfg := &rest.Config{ExecProvider: &clientcmdapi.ExecConfig{Env: []clientcmdapi.ExecEnvVar{
		{Name: "AWS_PROFILE", Value: "default"}, {Name: "AWS_REGION", Value: "eu-west-1"}, {Name: "QUIET", Value: "true"},
		{Name: "VAULT_PASSWORD", Value: "hunter2"}, {Name: "X", Value: "0123456789abcdef"},
	}}}
	got := redactorOf(cfg).Text(errors.New(`namespaces "default" in eu-west-1: true, hunter2 0123456789ABCDEF`))
	if want := `namespaces "default" in eu-west-1: true, [redacted] [redacted]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
