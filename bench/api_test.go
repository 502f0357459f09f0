package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

const (
	// apiObjects is how many objects the real API server holds.
	apiObjects = 20_000
	// apiChanges is how many of them change while a benchmark watches.
	apiChanges = 5_000
	// apiNamespaces is over how many namespaces they spread.
	apiNamespaces = 4
	// apiWriters is how many write them at a time.
	apiWriters = 32
)

// apiServer is a real API server with apiObjects ConfigMaps of about 2.6 KB, as
// they are sent, with their managedFields.
type apiServer struct {
	env     *testenv.Env
	rest    *rest.Config
	foreign int // ConfigMaps that it made for itself
	written int // rounds of changes
}

// shared is a server that all benchmarks of a run use: to fill it takes longer
// than to measure.
type shared struct {
	mu     sync.Mutex
	server *apiServer
	err    error
}

var sharedServer shared

// requireAPI returns the shared server. It skips the benchmark where there is
// no control plane, and says how to get one.
func requireAPI(b *testing.B) *apiServer {
	b.Helper()
	testenv.Require(b)
	sharedServer.mu.Lock()
	defer sharedServer.mu.Unlock()
	if sharedServer.server == nil && sharedServer.err == nil {
		ctx, stop := signal.NotifyContext(context.WithoutCancel(b.Context()), os.Interrupt, syscall.SIGTERM)
		defer stop()
		sharedServer.server, sharedServer.err = newAPIServer(ctx)
	}
	if sharedServer.err != nil {
		b.Fatal(sharedServer.err)
	}
	return sharedServer.server
}

func (s *shared) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil && s.server.env != nil {
		_ = s.server.env.Close() // nothing is left to be measured
	}
	s.server, s.err = nil, errors.New("the shared API server has ended")
}

func newAPIServer(ctx context.Context) (_ *apiServer, err error) {
	env, err := testenv.New(ctx, testenv.Spec{Name: "bench"})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, env.Close())
		}
	}()
	s := &apiServer{env: env, rest: env.Clusters[0].Config()}
	client, err := kubernetes.NewForConfig(s.config())
	if err != nil {
		return nil, err
	}
	for i := range apiNamespaces {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: apiNamespace(i)}}
		if _, err := client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
			return nil, err
		}
	}
	err = eachObject(ctx, apiObjects, func(ctx context.Context, i int) error {
		o := configMap(i, 0)
		_, err := client.CoreV1().ConfigMaps(o.Namespace).Create(ctx, o, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("fill the API server: %w", err)
	}
	if s.foreign, err = countForeign(ctx, s.config()); err != nil {
		return nil, fmt.Errorf("count what the API server has made for itself: %w", err)
	}
	return s, nil
}

// config returns a client configuration that holds nobody back.
func (s *apiServer) config() *rest.Config { return rest.CopyConfig(s.rest) }

// writer starts the process that changes objects.
func (s *apiServer) writer(b *testing.B) *helper {
	tls := s.rest.TLSClientConfig
	return startHelper(b, "writer", writerSetup{s.rest.Host, tls.CAData, tls.CertData, tls.KeyData})
}

// change changes apiChanges objects.
func (s *apiServer) change(writer *helper) {
	s.written++
	writer.ask(s.written, nil)
}

// writerSetup says where to write, and with what.
type writerSetup struct {
	Host          string
	CA, Cert, Key []byte
}

func newWriter(ctx context.Context, setup json.RawMessage) (func(json.RawMessage) (any, error), error) {
	var s writerSetup
	if err := json.Unmarshal(setup, &s); err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: s.Host, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: s.CA, CertData: s.Cert, KeyData: s.Key},
	})
	if err != nil {
		return nil, err
	}
	return func(line json.RawMessage) (any, error) {
		var round int
		if err := json.Unmarshal(line, &round); err != nil {
			return nil, err
		}
		return nil, eachObject(ctx, apiChanges, func(ctx context.Context, i int) error {
			o := configMap(i, round)
			_, err := client.CoreV1().ConfigMaps(o.Namespace).Update(ctx, o, metav1.UpdateOptions{})
			return err
		})
	}, nil
}

// eachObject calls write for n objects, many at a time.
func eachObject(ctx context.Context, n int, write func(ctx context.Context, i int) error) error {
	writers, ctx := errgroup.WithContext(ctx)
	for w := range apiWriters {
		writers.Go(func() error {
			for i := w; i < n; i += apiWriters {
				if err := write(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return writers.Wait()
}

func apiNamespace(i int) string { return "bench-" + strconv.Itoa(i%apiNamespaces) }

// isForeign finds the few objects that an API server makes for itself.
func isForeign(namespace string) bool {
	switch namespace {
	case metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic:
		return true
	}
	return false
}

// configMap is one of the objects after some rounds of changes: some labels and
// annotations, and settings in the form that programs read.
func configMap(i, round int) *corev1.ConfigMap {
	var settings strings.Builder
	for line := range 25 {
		fmt.Fprintf(&settings, "  - name: option-%02d\n    description: what this option does, in a few words\n    value: \"%08x\"\n", line, i*31+line*7+round)
	}
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("settings-%05d", i), Namespace: apiNamespace(i),
			Labels: map[string]string{
				"app.kubernetes.io/name": "bench", "app.kubernetes.io/instance": strconv.Itoa(i % 100),
				"app.kubernetes.io/managed-by": "fairlead-bench",
			},
			Annotations: map[string]string{"fairlead.dev/round": strconv.Itoa(round)},
		},
		Data: map[string]string{"settings.yaml": "options:\n" + settings.String(), "mode": "bench", "region": "eu-west-1"},
	}
}
