package connection

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-dev/fairlead/internal/member"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

func TestRedactionOfDisguises(t *testing.T) {
	const token = "Canary+Token/0123456789~abc"
	r := newRedactor(&rest.Config{BearerToken: token})
	in := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, disguise := range []string{
		token, strings.ToUpper(token), strings.ToLower(token), url.QueryEscape(token),
		in(token), in("x" + token), in("xy" + token + "z"), in("Bearer " + token),
		base64.RawURLEncoding.EncodeToString([]byte("Bearer " + token + "?")),
	} {
		got := r.text(errors.New("a " + disguise + " b"))
		if !strings.HasPrefix(got, "a ") || !strings.HasSuffix(got, " b") || !strings.Contains(got, redacted) || len(got) > len("a [redacted] b")+20 {
			t.Errorf("%s: %s", disguise, got)
		}
	}
	if got := r.text(errors.New("nothing of it")); got != "nothing of it" {
		t.Error(got)
	}
}

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

func TestSentRemembersTheLast(t *testing.T) {
	var s sent
	n := &noteSent{sent: &s, next: &fakeMember{}}
	for _, token := range []string{"token-1", "token-2", "token-2", "token-3", "token-4", "token-5", "abc"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.example", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := n.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if got := strings.Join(s.all(), " "); got != "token-2 token-3 token-4 token-5" {
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
	got := newRedactor(cfg).text(errors.New(`namespaces "default" in eu-west-1: true, hunter2 0123456789ABCDEF`))
	if want := `namespaces "default" in eu-west-1: true, [redacted] [redacted]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
