package probe

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/leaks"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/internal/testca"
	"github.com/fairlead-dev/fairlead/sources/member"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(leaks.Patient(m)) }

func jwt(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2lnbmF0dXJl"
}

func TestTimesOfTokens(t *testing.T) {
	for token, want := range map[string]int64{
		jwt(`{"exp":1700003600}`):              1700003600,
		jwt(`{"exp":1700003600.7,"iat":1}`):    1700003600,
		jwt(`{"exp":1e300}`):                   0,
		jwt(`{"exp":-1}`):                      0,
		jwt(`{"exp":"soon"}`):                  0,
		jwt(`[`):                               0,
		"opaque":                               0,
		"a.b":                                  0,
		"a.%%%.c":                              0,
		" " + jwt(`{"exp":1700003600}`) + "\n": 1700003600,
	} {
		_, expires := timesOf(token)
		if got := expires; got.IsZero() != (want == 0) || want != 0 && got.Unix() != want {
			t.Errorf("%q ends at %v, want %d", token, got, want)
		}
	}
}

func TestCredentialsOfAConfiguration(t *testing.T) {
	ca, err := testca.New("a")
	if err != nil {
		t.Fatal(err)
	}
	user, err := ca.Client("me", nil)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(jwt(`{"iat":1600000000,"exp":1700003600}`)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := Credentials(&rest.Config{
		BearerTokenFile: file, TLSClientConfig: rest.TLSClientConfig{CAData: append([]byte("# the CA\n"), ca.PEM()...), CertData: user.Cert, KeyData: user.Key},
	})
	var got []string
	for _, k := range all {
		got = append(got, fmt.Sprint(k.What, " ", k.Renewed, " ", k.Mine))
		if k.Expires.IsZero() || !k.Issued.Before(k.Expires) {
			t.Errorf("%+v", k)
		}
	}
	want := []string{"The client certificate false true", "The CA false true", "The bearer token true true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if none := Credentials(&rest.Config{BearerToken: "opaque", TLSClientConfig: rest.TLSClientConfig{CAData: []byte("none"), CertFile: "/nowhere"}}); len(none) != 0 {
		t.Errorf("%+v", none)
	}
}

// session is one with a server that answers GET /version.
func session(t *testing.T, answer http.HandlerFunc) *member.Session {
	t.Helper()
	server := httptest.NewUnstartedServer(answer)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &member.Session{
		Server: u, CallTransport: server.Client().Transport, WatchTransport: server.Client().Transport,
		Limiter: flowcontrol.NewFakeAlwaysRateLimiter(), Redact: func(err error) string { return err.Error() },
	}
}

func TestWhatAMemberSays(t *testing.T) {
	s := session(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/version" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		_, _ = fmt.Fprintf(w, `{"gitVersion":"v1.30.1%s"}`, strings.Repeat("x", 1000))
	})
	p := Member(t.Context(), Question{Cluster: "a", Session: s})
	if p.Error != "" || p.LatencySeconds <= 0 || p.SkewSeconds == nil || *p.SkewSeconds > -3590 || *p.SkewSeconds < -3700 {
		t.Errorf("%+v", p)
	}
	if !strings.HasPrefix(p.Version, "v1.30.1x") || len(p.Version) > mostText {
		t.Errorf("version %q", p.Version)
	}
	if len(p.Credentials) != 1 || p.Credentials[0].Mine || p.Credentials[0].Expires.IsZero() {
		t.Errorf("%+v", p.Credentials)
	}
}

// A member that answers without end, or with something else, is told of and harms nobody.
func TestWhatAMemberDoesNotSay(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"an error":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if p := Member(ctx, Question{Cluster: "a", Session: session(t, answer)}); p.Error == "" || len(p.Error) > mostText || p.Version != "" {
				t.Errorf("%+v", p)
			}
		})
	}
	endless := session(t, func(w http.ResponseWriter, _ *http.Request) {
		for err := error(nil); err == nil; {
			_, err = w.Write([]byte(strings.Repeat("[", 1<<12)))
		}
	})
	if p := Member(t.Context(), Question{Cluster: "a", Session: endless}); p.Version != "" {
		t.Errorf("%+v", p)
	}
	if p := Member(t.Context(), Question{Cluster: "a"}); !cmp.Equal(p, api.MemberProbe{Cluster: "a"}) {
		t.Errorf("without a session: %+v", p)
	}
}

// Members that hang delay nobody but those that wait for a place among AtOnce.
func TestMembersThatHangDelayNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var done, late atomic.Int64
		Each(t.Context(), 1000, Timeout, func(ctx context.Context, i int) {
			if i < AtOnce/2 { // which hang
				<-ctx.Done()
				return
			}
			done.Add(1)
			if time.Since(began) > 0 {
				late.Add(1)
			}
		})
		if done.Load() != 1000-AtOnce/2 || late.Load() != 0 || time.Since(began) != Timeout {
			t.Errorf("%d were asked, %d of them late, in %s", done.Load(), late.Load(), time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		Each(ctx, 10, Timeout, func(context.Context, int) { t.Error("one is asked after the end") })
	})
}

func TestVolume(t *testing.T) {
	dir := t.TempDir()
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(dir, long, long); err != nil {
		t.Fatal(err)
	}
	before := must(os.Stat(dir))(t)
	v := Volume(filepath.Join(dir, "ledger"))
	if v.Error != "" || v.Folder != dir || v.Size == 0 || v.Free == 0 || v.Free > v.Size {
		t.Errorf("%+v", v)
	}
	if after := must(os.Stat(dir))(t); !after.ModTime().Equal(before.ModTime()) {
		t.Error("it has written to the folder")
	}
	if v := Volume(filepath.Join(dir, "none", "ledger")); v.Error == "" {
		t.Errorf("of a folder that is not there: %+v", v)
	}
}

func TestNameInAFieldSelector(t *testing.T) {
	for selector, want := range map[string]string{"": "", "metadata.name=a": "a", "spec.x=y,metadata.name==b": "b", "metadata.name!=a": "", "=,=": ""} {
		if got := nameIn(selector); got != want {
			t.Errorf("%q: %q, want %q", selector, got, want)
		}
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// Many questions about rights are under way at once, up to a bound, and their answers stand in
// the order of the questions.
func TestRightsAreAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, atOnce atomic.Int32
		ask := func(ctx context.Context, i int) (int, error) {
			if n := now.Add(1); n > atOnce.Load() {
				atOnce.Store(n)
			}
			defer now.Add(-1)
			select { // a far cluster: all in a row would not end in time
			case <-time.After(Timeout / 2):
				return i, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		all, err := inParallel(t.Context(), 2*most, ask)
		if err != nil || atOnce.Load() != questionsAtOnce {
			t.Errorf("%v, %d at once", err, atOnce.Load())
		}
		for i, answer := range all {
			if answer != i {
				t.Errorf("answer %d is of question %d", i, answer)
			}
		}
	})
}
