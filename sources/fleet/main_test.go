package fleet

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/internal/leaks"
	"github.com/fairlead-dev/fairlead/internal/testca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(leaks.Patient(m)) }

// secret is in every token and password of the tests; no message may hold it.
const secret = "s3cr3t"

// kubeconfig returns a kubeconfig with a context, a cluster and a user of each
// name, and server addresses made of the names.
func kubeconfig(names ...string) string {
	var clusters, users, contexts strings.Builder
	for _, n := range names {
		fmt.Fprintf(&clusters, "- name: %q\n  cluster:\n    server: https://%s.example:6443\n", n+"-c", hostOf(n))
		fmt.Fprintf(&users, "- name: %q\n  user:\n    token: %s-%s\n", n+"-u", secret, hostOf(n))
		fmt.Fprintf(&contexts, "- name: %q\n  context:\n    cluster: %q\n    user: %q\n", n, n+"-c", n+"-u")
	}
	return "apiVersion: v1\nkind: Config\nclusters:\n" + clusters.String() + "users:\n" + users.String() + "contexts:\n" + contexts.String()
}

func hostOf(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return 'x'
	}, strings.ToLower(name))
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// keyPair returns a certificate and its key, both PEM.
func keyPair(t testing.TB) (cert, key string) {
	t.Helper()
	ca, err := testca.New("test")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Client("test", nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(pair.Cert), string(pair.Key)
}

// recorder is a Handler that keeps the fleet and a line per call.
type recorder struct {
	members map[string]Member
	calls   []string
}

func (r *recorder) Set(m Member) {
	r.members[m.Name] = m
	r.calls = append(r.calls, "set "+m.Name)
}

func (r *recorder) Remove(name string) {
	delete(r.members, name)
	r.calls = append(r.calls, "remove "+name)
}

// take returns the calls since the last take.
func (r *recorder) take() []string {
	calls := r.calls
	r.calls = nil
	return calls
}

// harness drives the polls of a fleet by hand and fails the test if a secret
// turns up in a log line or a problem.
type harness struct {
	*Fleet
	*recorder
	t    *testing.T
	now  time.Time
	logs bytes.Buffer
}

func newHarness(t *testing.T, values ...string) *harness {
	t.Helper()
	providers, err := Parse(values)
	if err != nil {
		t.Fatal(err)
	}
	return newHarnessOf(t, providers...)
}

func newHarnessOf(t *testing.T, providers ...Provider) *harness {
	h := &harness{t: t, recorder: &recorder{members: map[string]Member{}}, now: time.Unix(1000, 0)}
	h.Fleet = New(Options{Providers: providers, Handler: h.recorder, Log: h.logger()})
	t.Cleanup(func() {
		text := h.logs.String()
		for _, p := range h.Problems() {
			text += p.Error()
		}
		if strings.Contains(text, secret) {
			t.Errorf("a secret is shown:\n%s", text)
		}
	})
	return h
}

func (h *harness) logger() logr.Logger {
	return funcr.New(func(prefix, args string) { fmt.Fprintln(&h.logs, prefix, args) }, funcr.Options{})
}

// tick polls once and returns the handler's calls.
func (h *harness) tick() []string {
	h.now = h.now.Add(2 * time.Second)
	h.poll(h.now)
	return h.take()
}

// settle polls twice, after which every complete change has to be in effect.
func (h *harness) settle() []string { return append(h.tick(), h.tick()...) }

// problems returns the messages of all problems, without the directory.
func (h *harness) messages(dir string) []string {
	var texts []string
	for _, p := range h.Problems() {
		texts = append(texts, strings.ReplaceAll(p.Error(), dir+string(filepath.Separator), ""))
	}
	return texts
}
