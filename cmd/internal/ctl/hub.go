package ctl

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/pflag"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

// What the manifests in deploy name things.
const (
	defaultNamespace = "fairlead"
	defaultLease     = "fairlead"
	defaultPort      = 8082
	container        = "fairlead"
	podSelector      = "app.kubernetes.io/name=fairlead"
	leaderSelector   = "fairlead.dev/role=leader"
)

// hubFlags say in which Pod the program is, and how the API server of that cluster is
// reached, as kubectl's do.
type hubFlags struct {
	kubeconfig, context, namespace, pod, lease string
	port                                       int
	as                                         connectionFlags
	names                                      []string      // of the flags, as they were added
	within                                     time.Duration // see pods; zero: connectWithin
}

// addTo adds the flags. A command that has one of that name itself gets mine with
// fairlead- before it.
func (h *hubFlags) addTo(f *pflag.FlagSet) {
	name := func(n string) string {
		if f.Lookup(n) != nil {
			n = "fairlead-" + n
		}
		h.names = append(h.names, n)
		return n
	}
	shorthand := "n"
	if f.ShorthandLookup(shorthand) != nil || f.Lookup("namespace") != nil {
		shorthand = ""
	}
	f.StringVarP(&h.namespace, name("namespace"), shorthand, defaultNamespace, "ask the program in a Pod of this namespace, through the API server")
	f.StringVar(&h.pod, name("pod"), "", "ask the program in this Pod, through the API server (default: the leader's)")
	f.StringVar(&h.context, name("context"), "", "ask the program in a Pod of this context of the kubeconfig (default: the current one)")
	f.StringVar(&h.kubeconfig, name("kubeconfig"), "", "ask the program in a Pod of a cluster of this kubeconfig (default: as kubectl has it)")
	f.StringVar(&h.lease, name("lease"), "", "ask the program in the Pod that holds this Lease (default: "+defaultLease+", else the one that a Pod of it holds)")
	f.IntVar(&h.port, name("admin-port"), defaultPort, "port of the program's --admin-bind-address in its Pod")
	h.as.addTo(f, name)
}

// given returns the flags that were given.
func (h *hubFlags) given(f *pflag.FlagSet) (names []string) {
	for _, n := range h.names {
		if f.Changed(n) {
			names = append(names, n)
		}
	}
	return names
}

func (h *hubFlags) isGiven(f *pflag.FlagSet) bool { return len(h.given(f)) > 0 }

// pods are those in which the program is.
type pods struct {
	config    *rest.Config
	redact    *redact.Redactor // knows the credentials that are sent
	core      corev1client.CoreV1Interface
	leases    coordinationclient.LeasesGetter
	namespace string
	lease     string // empty: defaultLease, or what holder finds
	port      int
	within    time.Duration // for an API server to answer, and a plugin before it
}

// open returns the way to the leader, or to the Pod that is named.
func (h *hubFlags) open(ctx context.Context) (*way, error) {
	within, err := h.as.within()
	if err != nil {
		return nil, &pointlessError{err}
	}
	h.within = cmp.Or(h.within, within)
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = h.kubeconfig
	overrides := h.as.overrides
	overrides.CurrentContext = h.context
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &overrides).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, &pointlessError{fmt.Errorf("there is no kubeconfig of the hub, in whose namespace %s the program would be looked for; name one with --kubeconfig or KUBECONFIG, or the program's address with --admin", h.namespace)}
	}
	if err != nil {
		return nil, &pointlessError{fmt.Errorf("read the kubeconfig: %w", redact.New().Error(err))}
	}
	return h.openBy(ctx, config)
}

func (h *hubFlags) openBy(ctx context.Context, config *rest.Config) (*way, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "kubectl-fairlead"
	config.Timeout = max(answerWithin, h.within+toTell)
	config.WarningHandlerWithContext = rest.NoWarnings{}
	known := redact.New(config.BearerToken, config.Password)
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper { return &noting{known, rt} })
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, known.Error(err))
	}
	leases, err := coordinationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, known.Error(err))
	}
	p := &pods{config: config, redact: known, core: core, leases: leases, namespace: h.namespace, lease: h.lease, port: h.port, within: cmp.Or(h.within, connectWithin)}
	name := h.pod
	if name == "" {
		if name, err = p.find(ctx); err != nil {
			return nil, err
		}
	}
	return p.way(name), nil
}

// noting notes the tokens that are sent: they may come from a file or a plugin, and change.
type noting struct {
	redact *redact.Redactor
	http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (n *noting) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		n.redact.Note(token)
	}
	return n.RoundTripper.RoundTrip(r)
}

// way returns the way into a Pod.
func (p *pods) way(pod string) *way {
	return &way{
		url: &url.URL{Scheme: "http", Host: net.JoinHostPort("localhost", fmt.Sprint(p.port))},
		dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return p.dial(ctx, pod)
		},
		pods: p, pod: pod,
	}
}
