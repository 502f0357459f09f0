package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/leaks"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// The test program is started again as fairlead, where processes are what a test
// is about.
func TestMain(m *testing.M) {
	if task := os.Getenv(asChild); task != "" {
		if err := runAs(task, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, task+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	setGlobalLoggers.Do(func() {
		ctrllog.SetLogger(logr.Discard())
		klog.SetLogger(logr.Discard())
	})
	// A connection to a Pod that both ends close at once waits a second for someone to ask
	// it how that went.
	ends := goleak.IgnoreAnyFunction("github.com/moby/spdystream.(*Connection).shutdown")
	goleak.VerifyTestMain(leaks.Patient(m, ends), ends)
}

// patience bounds every wait for something that must come about. It decides
// how long a failing test takes, never whether a passing one passes.
const patience = 2 * time.Minute

// running is `fairlead run` in this process.
type running struct {
	t        *testing.T
	program  *program
	registry *prometheus.Registry
	out      *recorder
	stop     func() error // as SIGTERM does; returns what run returned
}

// start runs the program with flags, until the test ends at the latest.
func start(t *testing.T, flags ...string) *running {
	t.Helper()
	return startWith(t, Options{}, newRecorder(), flags...)
}

// startWith is start for a program with sinks of its own, with a stdout that an
// earlier run may have written to.
func startWith(t *testing.T, o Options, out *recorder, flags ...string) *running {
	t.Helper()
	return startSettings(t, parseWith(t, o, flags...), out)
}

// startSettings is startWith for what no flags may say.
func startSettings(t *testing.T, s *settings, out *recorder) *running {
	t.Helper()
	r := &running{t: t, registry: prometheus.NewRegistry(), out: out}
	var err error
	if r.program, err = newProgram(t.Context(), s, r.out, newLeveledLogger(outputOf(t), s.level, "text"), r.registry); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.program.run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		r.out.release()
		if err := r.stop(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return r
}

// parseWith is what the program makes of flags, and of defaults that suit tests.
func parseWith(t *testing.T, o Options, flags ...string) *settings {
	t.Helper()
	var cfg Config
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	cfg.addFlags(set, new(Options))
	defaults := []string{"--metrics-bind-address=0", "--health-probe-bind-address=0", "--admin-bind-address=0", "--cluster-qps=0", "--ledger=memory:", "--reconnect-min=200ms", "--reconnect-max=1s"}
	if err := set.Parse(append(defaults, flags...)); err != nil {
		t.Fatal(err)
	}
	return must(load(cfg.given, o))(t)
}

// await waits until ok holds.
func (r *running) await(what string, ok func() bool) {
	r.t.Helper()
	err := wait.PollUntilContextTimeout(r.t.Context(), 20*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		return ok(), nil
	})
	if err != nil {
		r.t.Fatalf("%s: did not come about\n%s", what, r.describe())
	}
}

func (r *running) describe() string {
	var b strings.Builder
	for _, c := range r.program.status(time.Now()).Clusters {
		fmt.Fprintf(&b, "%s %s %s attempt %d: %s\n  lane %+v %+v\n", c.Name, c.State, c.Reason, c.Attempt, c.LastError, c.Lane, c.Counts)
		for _, s := range c.Streams {
			fmt.Fprintf(&b, "  %+v\n", s.Status)
		}
	}
	return b.String()
}

// cluster returns the status of one member, or a zero one.
func (r *running) cluster(name string) api.Cluster {
	for _, c := range r.program.status(time.Now()).Clusters {
		if c.Name == name {
			return c
		}
	}
	return api.Cluster{}
}

// streamsLive reports whether all streams of a member are live, and all sinks in step.
func (r *running) streamsLive(name string) bool {
	c := r.cluster(name)
	for _, s := range c.Streams {
		if s.State != "live" {
			return false
		}
		for _, route := range s.Routes {
			if !route.InStep {
				return false
			}
		}
	}
	return len(c.Streams) > 0
}

// recorder is a stdout that keeps what is written to it, and can stall.
type recorder struct {
	mu     sync.Mutex
	rest   []byte
	events []pipeline.Event
	lines  []string
	bad    []string
	gate   chan struct{} // closed: writes pass
}

func newRecorder() *recorder {
	open := make(chan struct{})
	close(open)
	return &recorder{gate: open}
}

// stall lets the next write block until release.
func (r *recorder) stall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = make(chan struct{})
}

func (r *recorder) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.gate:
	default:
		close(r.gate)
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	gate := r.gate
	r.mu.Unlock()
	<-gate
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest = append(r.rest, p...)
	for {
		line, rest, ok := bytes.Cut(r.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		e, err := pipeline.ParseEvent(line)
		if err == nil && len(line) <= 64<<10 { // of megabytes, the check takes a second under the race detector
			err = followsSchema(line)
		}
		if err != nil {
			r.bad = append(r.bad, err.Error())
		}
		r.events, r.lines = append(r.events, e), append(r.lines, string(line))
		r.rest = rest
	}
}

// received returns the events so far.
func (r *recorder) received() []pipeline.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[:len(r.events):len(r.events)]
}

// kept returns the lines so far.
func (r *recorder) kept() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines[:len(r.lines):len(r.lines)]
}

// writeKubeconfig writes one kubeconfig for all targets and returns its path.
func writeKubeconfig(t *testing.T, targets ...testenv.Target) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	if err := testenv.WriteKubeconfig(path, targets...); err != nil {
		t.Fatal(err)
	}
	return path
}

// objects are the ConfigMaps of one namespace of one cluster.
type objects struct {
	t         *testing.T
	cluster   string
	namespace string
	client    typedcorev1.ConfigMapInterface
	spaces    typedcorev1.NamespaceInterface
}

// newObjects makes the namespace if it is not there.
func newObjects(t *testing.T, c *testenv.Cluster, namespace string) *objects {
	t.Helper()
	cfg := rest.CopyConfig(c.Config())
	cfg.QPS = -1
	h := must(rest.HTTPClientFor(cfg))(t)
	t.Cleanup(h.CloseIdleConnections)
	core := must(typedcorev1.NewForConfigAndClient(cfg, h))(t)
	_, err := core.Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	return &objects{t: t, cluster: c.Name(), namespace: namespace, client: core.ConfigMaps(namespace), spaces: core.Namespaces()}
}

func (o *objects) check(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Error(err)
	}
}

func (o *objects) create(name string) {
	o.t.Helper()
	_, err := o.client.Create(o.t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	o.check(err)
}

func (o *objects) patch(name, value string) {
	o.t.Helper()
	body := fmt.Sprintf(`{"data":{"value":%q}}`, value)
	_, err := o.client.Patch(o.t.Context(), name, types.MergePatchType, []byte(body), metav1.PatchOptions{})
	o.check(err)
}

func (o *objects) annotate(name, value string) {
	o.t.Helper()
	body := fmt.Sprintf(`{"metadata":{"annotations":{"note":%q}}}`, value)
	_, err := o.client.Patch(o.t.Context(), name, types.MergePatchType, []byte(body), metav1.PatchOptions{})
	o.check(err)
}

func (o *objects) label(name, key, value string) {
	o.t.Helper()
	body := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, key, value)
	_, err := o.client.Patch(o.t.Context(), name, types.MergePatchType, []byte(body), metav1.PatchOptions{})
	o.check(err)
}

func (o *objects) delete(name string) {
	o.t.Helper()
	o.check(o.client.Delete(o.t.Context(), name, metav1.DeleteOptions{}))
}

// list returns UID and version of all objects by name.
func (o *objects) list() map[string]string {
	o.t.Helper()
	l, err := o.client.List(o.t.Context(), metav1.ListOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	all := map[string]string{}
	for _, c := range l.Items {
		all[c.Name] = string(c.UID) + " " + c.ResourceVersion
	}
	return all
}

func newProxy(t *testing.T, c *testenv.Cluster) *testenv.Proxy {
	t.Helper()
	p := must(c.NewProxy())(t)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func restore(t *testing.T, p *testenv.Proxy) {
	t.Helper()
	if err := p.Restore(); err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// rareMetrics have no series until what they count has happened, or what they are of was asked for.
var rareMetrics = map[string]bool{
	"fairlead_member_status_errors_total":          true,
	"fairlead_member_status_pending":               true,
	"fairlead_member_status_writes_total":          true,
	"fairlead_trace_spans_dropped_total":           true,
	"fairlead_trace_spans_total":                   true,
	"fairlead_dead_letters_retried_total":          true,
	"fairlead_connection_reconnects_total":         true,
	"fairlead_stream_reconnects_total":             true,
	"fairlead_frames_rejected_total":               true,
	"fairlead_changes_failed_total":                true,
	"fairlead_audits_total":                        true,
	"fairlead_audit_differences_total":             true,
	"fairlead_ledger_unwatched_objects":            true,
	"fairlead_ledger_resume_points_given_up_total": true,
	"fairlead_changes_refused":                     true,
	"fairlead_changes_superseded_total":            true,
	"fairlead_changes_reread_total":                true,
	"fairlead_paused":                              true,

	// Only if the credentials tell.
	"fairlead_cluster_credentials_expiry_timestamp_seconds": true,
	"fairlead_cluster_credentials_lifetime_seconds":         true,

	// Only with --config, or with a wildcard among --watch.
	"fairlead_config_last_reload_success_timestamp_seconds": true,
	"fairlead_config_last_reload_successful":                true,
	"fairlead_config_restart_required":                      true,
	"fairlead_wildcard_resources_beyond_max_streams":        true,
	"fairlead_wildcard_resources_left_out":                  true,
	"fairlead_wildcard_streams":                             true,

	// Only with sinks of these kinds.
	"fairlead_http_requests_total":            true,
	"fairlead_hub_records_total":              true,
	"fairlead_kafka_bytes_total":              true,
	"fairlead_kafka_throttled_seconds_total":  true,
	"fairlead_nats_connections_total":         true,
	"fairlead_nats_messages_total":            true,
	"fairlead_otlp_rejected_total":            true,
	"fairlead_otlp_requests_total":            true,
	"fairlead_postgres_altered_objects_total": true,
	"fairlead_postgres_purge_failures_total":  true,
	"fairlead_postgres_purged_rows_total":     true,
	"fairlead_postgres_rows_total":            true,
	"fairlead_s3_bytes_total":                 true,
	"fairlead_s3_segments_total":              true,
}

// newLogger returns a logger of one level.
func newLogger(w io.Writer, level, format string) logr.Logger {
	l, err := parseLevel(level)
	if err != nil {
		panic(err)
	}
	return newLeveledLogger(w, l, format)
}
