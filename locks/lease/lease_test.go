package lease_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2" //nolint:depguard // To silence what client-go logs.
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/locks/lease"
	"github.com/fairlead-dev/fairlead/locks/locktest"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	log.SetLogger(logr.Discard())
	if kubeconfig := os.Getenv(childEnv); kubeconfig != "" {
		if err := stand(kubeconfig); err != nil {
			fmt.Println(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// childEnv turns this test program into a process that stands in elections: it holds
// the path of a kubeconfig. The arguments are namespace, name and identity.
const childEnv = "FAIRLEAD_TEST_LEASE"

func stand(kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	l, err := lease.New(config, lease.Options{Namespace: os.Args[1], Name: os.Args[2], Identity: os.Args[3]})
	if err != nil {
		return err
	}
	return locktest.Stand(l, os.Stdin, os.Stdout)
}

// open returns a lock that is closed with the test.
func open(t testing.TB, config *rest.Config, o lease.Options) *lease.Lock {
	t.Helper()
	l, err := lease.New(config, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// backends returns records of a cluster, reached by this config.
func backends(t testing.TB, c *testenv.Cluster, config *rest.Config) locktest.New {
	t.Helper()
	ns := c.NewNamespace(t)
	client, err := rest.HTTPClientFor(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	admin, err := coordinationv1.NewForConfigAndClient(c.Config(), client)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := testenv.WriteKubeconfig(kubeconfig, c); err != nil {
		t.Fatal(err)
	}
	n := 0
	return func(testing.TB) locktest.Backend {
		n++
		name := fmt.Sprint("lock-", n)
		return locktest.Backend{
			Open: func(t testing.TB, identity string) resourcelock.Interface {
				return open(t, config, lease.Options{Namespace: ns, Name: name, Identity: identity})
			},
			Delete: func(t testing.TB) {
				if err := admin.Leases(ns).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			Process: func(_ testing.TB, identity string) *exec.Cmd {
				cmd := exec.Command(os.Args[0], ns, name, identity)
				cmd.Env = append(os.Environ(), childEnv+"="+kubeconfig)
				return cmd
			},
		}
	}
}

func TestConformance(t *testing.T) {
	c := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	locktest.Run(t, backends(t, c, c.Config()))
	locktest.RunElection(t, backends(t, c, c.Config()))
	locktest.RunHistories(t, backends(t, c, c.Config()), 8)

	for name, fault := range map[string]func(*testenv.Proxy) error{
		"cut off": func(p *testenv.Proxy) error {
			p.Cut()
			return nil
		},
		"silent": (*testenv.Proxy).BlackHole,
	} {
		t.Run(name, func(t *testing.T) {
			locktest.RunBroken(t, func(t testing.TB) locktest.Breakable {
				p, err := c.NewProxy()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := p.Close(); err != nil {
						t.Error(err)
					}
				})
				must := func(do func() error) func(testing.TB) {
					return func(t testing.TB) {
						if err := do(); err != nil {
							t.Fatal(err)
						}
					}
				}
				return locktest.Breakable{
					Backend: backends(t, c, p.Config())(t),
					Break:   must(func() error { return fault(p) }), Repair: must(p.Restore),
				}
			})
		})
	}
}

// TestConformanceOfAServerThatFails: an API server that answers with errors, which
// may hold what it was sent.
func TestConformanceOfAServerThatFails(t *testing.T) {
	c := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	inner, err := rest.HTTPClientFor(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inner.CloseIdleConnections)
	to, err := url.Parse(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Transport: inner.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Del("Authorization") // the server knows the proxy by its certificate
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	const secret = "a-secret-token"
	for name, answer := range map[string]int{
		"overloaded": http.StatusServiceUnavailable, "not allowed": http.StatusForbidden,
		"login expired": http.StatusUnauthorized, "broken": http.StatusInternalServerError, "says all": 0,
	} {
		t.Run(name, func(t *testing.T) {
			locktest.RunBroken(t, func(t testing.TB) locktest.Breakable {
				var broken atomic.Bool
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if broken.Load() && answer == 0 {
						if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
							_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%s\r\n\r\n", r.Header.Get("Authorization"))
							_ = conn.Close()
						}
						return
					} else if broken.Load() {
						http.Error(w, "no: "+r.Header.Get("Authorization"), answer)
						return
					}
					proxy.ServeHTTP(w, r)
				}))
				t.Cleanup(server.Close)
				return locktest.Breakable{
					Backend: backends(t, c, &rest.Config{Host: server.URL, BearerToken: secret})(t),
					Break:   func(testing.TB) { broken.Store(true) },
					Repair:  func(testing.TB) { broken.Store(false) },
					Secrets: []string{secret},
				}
			})
		})
	}
}
