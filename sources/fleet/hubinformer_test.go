package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

func TestElderObjectsComeFirst(t *testing.T) {
	var objects []metav1.Object
	for _, o := range []struct {
		namespace, name string
		age             time.Duration
	}{{"b", "z", 0}, {"b", "a", 0}, {"a", "z", 0}, {"z", "z", time.Hour}} {
		objects = append(objects, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: o.namespace, Name: o.name, CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0).Add(-o.age)),
		}})
	}
	slices.SortFunc(objects, byAge)
	var got []string
	for _, o := range objects {
		got = append(got, o.GetNamespace()+"/"+o.GetName())
	}
	if want := "z/z a/z b/a b/z"; strings.Join(got, " ") != want {
		t.Errorf("order %v, want %s", got, want)
	}
}

// What a hub that stays the same answers must read the same each time: ports and
// addresses of one attempt would make a new problem of every attempt.
func TestReasonsStayTheSame(t *testing.T) {
	refused := func(port int) error {
		return &url.Error{Op: "Get", URL: "https://hub", Err: &net.OpError{
			Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: port}, Err: os.NewSyscallError("read", syscall.ECONNRESET),
		}}
	}
	secrets := schema.GroupResource{Resource: "secrets"}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{refused(1), "the hub cannot be reached; the clusters known so far stay: connection reset by peer"},
		{&url.Error{Op: "Get", URL: "https://hub", Err: context.DeadlineExceeded}, "no answer in time"},
		{fmt.Errorf("x: %w", io.ErrUnexpectedEOF), "it closes the connection"},
		{&url.Error{Op: "Get", URL: "https://hub/x?y", Err: errors.New("x509: unknown authority")}, "stay: x509: unknown authority"},
		{errors.New("malformed HTTP response \"Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.canary\""), `stay: malformed HTTP response "[redacted]"`},
		{apierrors.NewForbidden(secrets, "", errors.New("no")), "the hub does not allow to read Secrets in namespace x; grant get, list and watch, as deploy/components does"},
		{apierrors.NewUnauthorized("no"), "does not accept this program's credentials"},
		{apierrors.NewServiceUnavailable("no"), "it answers ServiceUnavailable"},
		{apierrors.NewNotFound(secrets, ""), "the hub serves no ClusterProfiles"},
	} {
		f := hubInformer{what: "Secrets in namespace x", absent: errNoProfiles}
		if got := f.reason(tc.err); got == nil || !strings.Contains(got.Error(), tc.want) {
			t.Errorf("%v: reason %v, want %q", tc.err, got, tc.want)
		}
	}
	f := hubInformer{}
	if f.reason(refused(1)).Error() != f.reason(refused(2)).Error() {
		t.Error("the port of an attempt is part of the reason")
	}
	if f.reason(nil) != nil {
		t.Error("a success has a reason")
	}
}

// TestAHubThatStopsAnswering: a request that gets no answer ends, and is made again, whatever
// the hub has said before. That it answers no more is known while its watch stays open, which
// tells nothing of that.
func TestAHubThatStopsAnswering(t *testing.T) {
	const refusing, silent, well = 0, 1, 2
	var now atomic.Int32
	var watched atomic.Bool        // there is a watch, which stays open
	refused := make(chan struct{}) // a request for its version, before it is refused
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch watches := r.URL.Query().Get("watch") != ""; {
		case now.Load() == refusing:
			if r.URL.Path == "/version" {
				select {
				case refused <- struct{}{}:
				case <-r.Context().Done():
				}
			}
			http.Error(w, "no", http.StatusServiceUnavailable)
		case now.Load() == silent:
			<-r.Context().Done()
		case watches && r.URL.Query().Get("sendInitialEvents") != "":
			http.Error(w, "it knows no streaming lists", http.StatusUnprocessableEntity)
		case watches:
			watched.Store(true)
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprint(w, `{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`)
		}
	}))
	t.Cleanup(server.Close)
	providers, err := Parse([]string{"secrets:x"})
	if err != nil {
		t.Fatal(err)
	}
	s := providers[0].NewScanner().(*secretsScanner)
	s.informer.within, s.informer.every = time.Second, 10*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changed, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- s.Follow(ctx, Env{Hub: &rest.Config{Host: server.URL}}, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	}()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for _, step := range []struct {
		is   int32
		says string
		read bool
	}{
		{refusing, "ServiceUnavailable", false},
		{silent, "no answer in time", false},
		{well, "", true},
		{silent, "the hub cannot be reached; the clusters known so far stay: no answer in time", true},
		{well, "", true},
	} {
		now.Store(step.is)
		for {
			_, err := s.informer.look()
			if s.Complete() == step.read && watched.Load() == step.read && (step.says == "" && err == nil || step.says != "" && err != nil && strings.Contains(err.Error(), step.says)) {
				break
			}
			select {
			case <-changed:
			case <-limit.C:
				t.Fatalf("not in time: %q; it says %v", step.says, err)
			}
		}
	}
	// A refusal is an answer. The last of these requests is made when those before are noted.
	now.Store(refusing)
	for range hubSilentAfter + 1 {
		select {
		case <-refused:
		case <-limit.C:
			t.Fatal("not in time: the hub is not asked for its version")
		}
	}
	if _, err := s.informer.look(); err != nil {
		t.Errorf("a hub that refuses: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestSilenceIsTwoRequestsInARow: one that a busy hub answers late is no problem. A hub that
// answers no more is told of within ten seconds, as docs/clusters.md promises.
func TestSilenceIsTwoRequestsInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var (
			f                hubInformer
			asked            int
			answered, silent time.Time
		)
		ask := func(ctx context.Context) error {
			if asked++; asked%2 == 0 || asked > 20 {
				<-ctx.Done()
				return ctx.Err()
			}
			answered = time.Now()
			return nil
		}
		f.listen(ctx, ask, func() {
			silent = time.Now()
			cancel()
		})
		const longest = 10 * time.Second
		if took := silent.Sub(answered); asked != 21 || took != hubSilentAfter*(hubAskedEvery+hubVersionWithin) || took > longest {
			t.Errorf("told at request %d, %v after the last answer", asked, took)
		}
		if _, err := f.look(); err == nil || !strings.Contains(err.Error(), "no answer in time") {
			t.Errorf("a hub that is silent: %v", err)
		}
	})
}
