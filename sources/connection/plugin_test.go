package connection

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// script is a credential plugin that notes each start, and hangs until a file
// is there.
type script struct {
	t                     *testing.T
	path, noted, released string
}

func newScript(t *testing.T) *script {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell script")
	}
	dir := t.TempDir()
	s := &script{t: t, path: filepath.Join(dir, "plugin.sh"), noted: filepath.Join(dir, "noted"), released: filepath.Join(dir, "released")}
	text := "#!/bin/sh\ntrap 'echo end >>" + s.noted + "; exit 1' TERM\necho start >>" + s.noted + "\nwhile [ ! -e " + s.released + " ] && [ -d " + dir + " ]; do sleep 0.02; done\necho end >>" + s.noted +
		"\n[ -s " + s.released + " ] && exit 3\n" +
		`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-a-plugin"}}'` + "\n"
	if err := os.WriteFile(s.path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.release("")
		eventually(t, "the plugin has ended", func() bool { return s.ends() == s.starts() })
	})
	return s
}

// release lets the plugin answer, or fail if why is not empty.
func (s *script) release(why string) {
	s.t.Helper()
	if err := os.WriteFile(s.released, []byte(why), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) starts() int { return s.count("start") }
func (s *script) ends() int   { return s.count("end") }

func (s *script) count(what string) int {
	data, err := os.ReadFile(s.noted)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Error(err)
	}
	return strings.Count(string(data), what)
}

func (s *script) rest(srv *server) *rest.Config {
	cfg := srv.rest()
	cfg.BearerToken = ""
	cfg.ExecProvider = &clientcmdapi.ExecConfig{APIVersion: "client.authentication.k8s.io/v1", Command: s.path}
	return cfg
}

// inPlugins counts the goroutines that run plugins, or wait for one to be run.
func inPlugins() int {
	buffer := make([]byte, 4<<20)
	return strings.Count(string(buffer[:runtime.Stack(buffer, true)]), "(*giveUp).RoundTrip.func1(")
}

// TestAPluginThatHangsIsToldBeforeItIsGivenUp: a status says so long before the probe ends.
func TestAPluginThatHangsIsToldBeforeItIsGivenUp(t *testing.T) {
	s := newScript(t)
	c := newConnection(t, Options{REST: s.rest(newServer(t, true)), Config: Config{ConnectTimeout: time.Hour}})
	stop := running(t, c)
	defer stop()
	eventually(t, "it has started", func() bool { return s.starts() > 0 })
	c.plugin.mu.Lock()
	c.plugin.asked = time.Now().Add(-pluginPatience)
	c.plugin.mu.Unlock()
	if got := c.Status(); got.State != member.Connecting || got.Reason != reasonPluginHangs || !strings.Contains(got.LastError, "plugin.sh\" has not answered for ") {
		t.Errorf("status %+v", got)
	}
	s.release("")
	acquire(t, c)
	if got := c.Status(); got.State != member.Live || got.LastError != "" {
		t.Errorf("once it has answered: %+v", got)
	}
}

// TestPluginThatHangs: its member backs off and says why; however often it is
// tried, one process and one goroutine wait; other credentials are tried at
// once; and the member can leave.
func TestPluginThatHangs(t *testing.T) {
	srv := newServer(t, true)
	s := newScript(t)
	config := Config{ConnectTimeout: 100 * time.Millisecond, ReconnectMin: time.Millisecond, ReconnectMax: 10 * time.Millisecond}
	c := newConnection(t, Options{REST: s.rest(srv), Config: config})
	stop := running(t, c)
	defer stop()
	hangs := func(attempts int) {
		t.Helper()
		eventually(t, "it backs off", func() bool { return c.Status().Attempt >= attempts })
		got := c.Status()
		if got.State != member.BackingOff || got.Reason != reasonPluginHangs || !strings.Contains(got.LastError, "plugin.sh\" has not answered for ") {
			t.Errorf("status %+v", got)
		}
		if got.Probes[resultPlugin] < uint64(attempts) {
			t.Errorf("probes %v", got.Probes)
		}
		eventually(t, "it has started", func() bool { return s.starts() > 0 }) // which may take longer than an attempt
		if n := s.starts(); n != 1 {
			t.Errorf("it was started %d times", n)
		}
		if n := inPlugins(); n != 1 {
			t.Errorf("%d goroutines wait for it", n)
		}
	}
	hangs(3)
	c.SetREST(s.rest(srv)) // the same plugin
	hangs(3)

	other := newScript(t)
	other.release("")
	c.SetREST(other.rest(srv))
	acquire(t, c)
	eventually(t, "the first one is ended", func() bool { return s.ends() == 1 })
	c.SetREST(s.rest(srv))
	eventually(t, "the first one again", func() bool { return c.Status().State == member.BackingOff && s.starts() == 2 })

	stop() // fails the test if it does not return
	if got := c.Status().State; got != member.Gone {
		t.Errorf("state %s", got)
	}
	eventually(t, "nobody waits for it", func() bool { return inPlugins() == 0 })
	if starts, ends := s.starts(), s.ends(); starts != 2 || ends != 2 {
		t.Errorf("it was started %d times and ended %d times", starts, ends)
	}
}

// TestPluginAnswersLate: what it has to say at last is used.
func TestPluginAnswersLate(t *testing.T) {
	srv := newServer(t, true)
	s := newScript(t)
	c := newConnection(t, Options{REST: s.rest(srv), Config: Config{ConnectTimeout: 100 * time.Millisecond, ReconnectMax: time.Second}})
	stop := running(t, c)
	defer stop()
	eventually(t, "it backs off", func() bool { return c.Status().Reason == reasonPluginHangs })
	s.release("")
	body := watch(t.Context(), t, acquire(t, c))
	_ = body.Close()
	if got := srv.last().Header.Get("Authorization"); got != "Bearer from-a-plugin" {
		t.Errorf("Authorization %q", got)
	}
	if n := s.starts(); n != 1 {
		t.Errorf("it was started %d times", n)
	}
}

func TestPluginThatFails(t *testing.T) {
	srv := newServer(t, true)
	s := newScript(t)
	s.release("fail")
	c := newConnection(t, Options{REST: s.rest(srv), Config: Config{ReconnectMax: time.Second}})
	stop := running(t, c)
	defer stop()
	eventually(t, "it backs off", func() bool { return c.Status().State == member.BackingOff })
	if got := c.Status(); got.Reason != reasonPluginFails || !strings.Contains(got.LastError, "exit code 3") || got.Probes[resultPlugin] == 0 {
		t.Errorf("status %+v", got)
	}
	s.release("")
	acquire(t, c)
}

// layer stands for client-go's layer that runs a plugin.
type layer struct {
	next   http.RoundTripper
	hangs  chan struct{} // until closed
	inside atomic.Int32
	after  atomic.Bool // also after an answer of 401
}

func (l *layer) ask() {
	l.inside.Add(1)
	<-l.hangs
	l.inside.Add(-1)
}

func (l *layer) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "x")
	if !l.after.Load() {
		l.ask()
	}
	resp, err := l.next.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		l.ask()
	}
	return resp, err
}

// TestGiveUp: calls of streams and caches end with their ctx too, whether the
// plugin hangs before they are sent or after they were refused.
func TestGiveUp(t *testing.T) {
	for _, refused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := &fakeMember{}
			if refused {
				server.set(status(401, "Unauthorized"))
			}
			l := &layer{next: &pastPlugin{next: server}, hangs: make(chan struct{})}
			l.after.Store(refused)
			p := pluginOf(&rest.Config{ExecProvider: &clientcmdapi.ExecConfig{Command: "plug"}}, nil, nil)
			g := &giveUp{next: l, plugin: p}
			send := func(patience time.Duration) error {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://a.example/api", nil)
				if err != nil {
					t.Error(err)
				}
				resp, err := g.RoundTrip(req)
				if err == nil {
					_ = resp.Body.Close()
				}
				if req.Header.Get("Authorization") != "" {
					t.Error("the caller's request was changed")
				}
				return err
			}
			var all sync.WaitGroup
			for i := range 10 {
				all.Go(func() {
					start := time.Now()
					patience := time.Duration(i+1) * time.Minute
					err := send(patience)
					if took := time.Since(start); took != patience || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"plug" has not answered for `) {
						t.Errorf("after %v: %v", took, err)
					}
					if result, doubtful := classify(err); result != resultPlugin || !doubtful {
						t.Errorf("result %s, %t", result, doubtful)
					}
				})
			}
			all.Wait()
			if n := l.inside.Load(); n != 1 {
				t.Errorf("%d requests wait inside", n)
			}
			close(l.hangs)
			if err := send(time.Second); err != nil {
				t.Errorf("when it answers: %v", err)
			}
			// With credentials there, requests do not wait for each other.
			server.set(nil)
			server.slow(time.Minute)
			start := time.Now()
			for range 10 {
				all.Go(func() {
					if err := send(time.Hour); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if took := time.Since(start); took != time.Minute {
				t.Errorf("ten requests of a minute took %v", took)
			}
			// Those that are given up after the plugin leave nothing either.
			if err := send(time.Second); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "plugin") {
				t.Errorf("a slow server: %v", err)
			}
		})
	}
}
