package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// answering is a program that answers /clusters so often, and then no more. At the last
// request it ends a context.
func answering(t *testing.T, s *api.Status, times, last int32, end func()) (address string) {
	asked := new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := asked.Add(1)
		if n == last {
			end()
		}
		if n > times {
			http.Error(w, "gone", http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(s)
	}))
	t.Cleanup(server.Close)
	return "--admin=" + server.URL
}

// told runs fairlead status, and returns what it says and its exit code.
func told(ctx context.Context, args ...string) (out string, code int, err error) {
	var b bytes.Buffer
	cmd := NewStatus()
	cmd.SetOut(&b)
	cmd.SetErr(&b)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(ctx)
	if end, ok := errors.AsType[*ExitError](err); ok {
		code = end.Code
	}
	return b.String(), code, err
}

func oneDown() *api.Status {
	return &api.Status{
		Clusters: []api.Cluster{{Name: "edge", State: member.BackingOff}},
		Ledger:   api.Ledger{Path: "l", Status: ledger.Status{LastError: "no space"}},
	}
}

// TestHowAWaitEnds: what could not be asked at the end is exit code 2, and says why. One
// that is interrupted does not say that it has waited for all of its time.
func TestHowAWaitEnds(t *testing.T) {
	for name, test := range map[string]struct {
		times, last int32
		args        []string
		code        int
		says        string
	}{
		"not live":     {99, 2, nil, 1, "interrupted, and not all is live"},
		"gone":         {1, 3, nil, 2, "interrupted: GET"},
		"no time":      {99, 0, []string{"--timeout=0s"}, 2, "waited 0s: "},
		"never":        {99, 0, []string{"--admin=nonsense"}, 2, "no URL"},
		"no cluster":   {99, 2, []string{"x"}, 2, `there is no cluster "x"`},
		"as asked for": {99, 0, []string{"--wait=backing-off"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			admin := answering(t, oneDown(), test.times, test.last, cancel)
			_, code, err := told(ctx, append([]string{"--wait=live", "--timeout=10m", admin}, test.args...)...)
			if code != test.code || err != nil && (!strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "%!")) {
				t.Errorf("it ends with %d, %v; want %d, %q", code, err, test.code, test.says)
			}
		})
	}
}

// TestAWaitForAllWaitsForWhatIsNotKnownYet: clusters that are live are not all, while a source of
// clusters has not been read.
func TestAWaitForAllWaitsForWhatIsNotKnownYet(t *testing.T) {
	for known, code := range map[bool]int{false: ExitProblem, true: 0} {
		s := oneDown()
		s.Clusters[0].State, s.Ledger.Healthy, s.Ledger.LastError = member.Live, true, ""
		s.Sources = []api.Source{{Source: "dir:fleet", Known: true}, {Source: "secrets:x", Known: known}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if out, got, err := told(ctx, "--wait=live", "--timeout=10m", answering(t, s, 99, 2, cancel)); got != code {
			t.Errorf("known %v: it ends with %d, %v; want %d\n%s", known, got, err, code, out)
		}
	}
}

// TestProblemsComeFirstOnAScreen: a long table does not push them out of sight.
func TestProblemsComeFirstOnAScreen(t *testing.T) {
	var b strings.Builder
	s := &statusCommand{watch: true}
	s.selected = labels.Everything()
	if err := s.print(&b, oneDown()); err == nil {
		t.Error("all is well")
	}
	problem, table, sum := strings.Index(b.String(), "no space"), strings.Index(b.String(), "\nedge"), strings.Index(b.String(), "0 of 1")
	if problem < 0 || problem > table || table > sum || strings.Count(b.String(), "no space") != 1 {
		t.Errorf("it shows\n%s", b.String())
	}
}

// TestErrorsDoNothingToATerminal: whoever answers may say anything.
func TestErrorsDoNothingToATerminal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\x1b]0;x\a\u202e\r\n\r\n")
			_ = c.Close()
		}
	}()
	evil := answering(t, &api.Status{Election: &api.Election{Role: "follower", Lock: "lease:a/b", Leader: "x\x1b[2J"}}, 99, 0, nil)
	for _, admin := range []string{"--admin=http://" + l.Addr().String(), evil} {
		if _, code, err := told(t.Context(), admin); code != 2 || err.Error() != Visible(err.Error()) {
			t.Errorf("it ends with %d, %q", code, err)
		}
	}
}

// What is wrong with a flag is told once: it would be as wrong again.
func TestFollowEndsWithWrongFlags(t *testing.T) {
	address := answering(t, oneDown(), 1<<30, 0, nil)
	for _, wrong := range []string{"--admin=127.0.0.1:1", "--output=nonsense", "--output=jsonpath", "--output=go-template={{", "--output=custom-columns=A", "--sort-by=nope", "--sort-by={.a["} {
		args := []string{"-w", address}
		if strings.HasPrefix(wrong, "--admin") {
			args = args[:1]
		}
		if out, code, err := told(t.Context(), append(args, wrong)...); code != ExitUnasked || err == nil || !strings.Contains(err.Error(), strings.Split(wrong, "=")[0]) || out != "" {
			t.Errorf("%s: %q, code %d, %v", wrong, out, code, err)
		}
	}
}
