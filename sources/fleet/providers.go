package fleet

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfigProvider describes one cluster per context of a file.
type kubeconfigProvider struct {
	value, path string
	contexts    []string // empty for all
}

func (p *kubeconfigProvider) String() string { return p.value }

func (p *kubeconfigProvider) NewScanner() Scanner {
	return &kubeconfigScanner{newKubeconfigFile(p.choose, p.path)}
}

func (p *kubeconfigProvider) choose(cfg *clientcmdapi.Config) []choice {
	names := p.contexts
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(cfg.Contexts))
	}
	choices := make([]choice, 0, len(names))
	for _, name := range names {
		c := choice{context: name, name: name}
		if cfg.Contexts[name] == nil {
			c.absent = true
			c.err = fmt.Errorf("does not exist; the file has %s", listContexts(cfg))
		}
		choices = append(choices, c)
	}
	return choices
}

// kubeconfigScanner is the scanner of a single kubeconfigFile.
type kubeconfigScanner struct{ *kubeconfigFile }

func (s *kubeconfigScanner) Scan() []Description { return s.kubeconfigFile.scan(true) }

// currentProvider describes the one cluster that kubectl would talk to.
type currentProvider struct {
	paths    []string
	fallback func() *clientcmdapi.Config
}

func newCurrentProvider() *currentProvider {
	return &currentProvider{
		paths:    clientcmd.NewDefaultClientConfigLoadingRules().GetLoadingPrecedence(),
		fallback: serviceAccount,
	}
}

func (p *currentProvider) String() string { return "the current kubeconfig" }

func (p *currentProvider) NewScanner() Scanner {
	d := newKubeconfigFile(chooseCurrent, p.paths...)
	d.fallback = p.fallback
	return &kubeconfigScanner{d}
}

func chooseCurrent(cfg *clientcmdapi.Config) []choice {
	current := cfg.CurrentContext
	c := choice{context: current, name: current}
	if cfg.Contexts[current] == nil {
		c.absent = true
		what := fmt.Sprintf("the current context %q does not exist", current)
		if current == "" {
			what = "has no current context"
		}
		c.err = fmt.Errorf("%s, but %s; pick one with kubectl config use-context, or set --clusters", what, listContexts(cfg))
	}
	return []choice{c}
}

// listContexts returns up to ten contexts of cfg, for a message.
func listContexts(cfg *clientcmdapi.Config) string {
	names := slices.Sorted(maps.Keys(cfg.Contexts))
	if len(names) == 0 {
		return "no contexts"
	}
	shown := "the contexts "
	if len(names) == 1 {
		shown = "the context "
	}
	const most = 10
	for i, name := range names[:min(len(names), most)] {
		if i > 0 {
			shown += ", "
		}
		shown += fmt.Sprintf("%q", name)
	}
	if more := len(names) - most; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return shown
}

// serviceAccountDir is where a pod finds its service account, as in
// rest.InClusterConfig.
const serviceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// serviceAccount returns a kubeconfig that stands for the service account of
// the pod that this program runs in, or nil outside of one.
func serviceAccount() *clientcmdapi.Config {
	return podConfig(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"), serviceAccountDir)
}

func podConfig(host, port, dir string) *clientcmdapi.Config {
	const name = "in-cluster"
	token := filepath.Join(dir, "token")
	if info, err := os.Stat(token); host == "" || port == "" || err != nil || !info.Mode().IsRegular() {
		return nil
	}
	cfg := clientcmdapi.NewConfig()
	cluster := clientcmdapi.NewCluster()
	cluster.Server = "https://" + net.JoinHostPort(host, port)
	cluster.CertificateAuthority = filepath.Join(dir, "ca.crt")
	user := clientcmdapi.NewAuthInfo()
	user.TokenFile = token
	cfg.Clusters[name], cfg.AuthInfos[name] = cluster, user
	cfg.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, LocationOfOrigin: token}
	cfg.CurrentContext = name
	return cfg
}
