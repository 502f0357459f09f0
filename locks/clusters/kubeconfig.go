package clusters

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// contextOf returns what a context of a kubeconfig says. An empty path is the files
// that kubectl would read.
func contextOf(path, name string) (*rest.Config, error) {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: path}
	file := path
	if path == "" {
		rules = clientcmd.NewDefaultClientConfigLoadingRules()
		rules.WarnIfAllMissing = false
		file = strings.Join(rules.GetLoadingPrecedence(), string(filepath.ListSeparator))
	}
	loaded, err := rules.Load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("kubeconfig %s does not exist", file)
	case err != nil: // which may quote a secret
		return nil, fmt.Errorf("kubeconfig %s cannot be read; kubectl config view --kubeconfig FILE tells why", file)
	case loaded.Contexts[name] == nil:
		return nil, fmt.Errorf("kubeconfig %s has no context %s", file, shown(name))
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*loaded, name, &clientcmd.ConfigOverrides{}, rules).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("context %s of kubeconfig %s cannot be used; kubectl --kubeconfig FILE --context %s cluster-info tells why", shown(name), file, shown(name))
	}
	if config.ExecProvider != nil {
		config.ExecProvider.StdinUnavailable = true
		config.ExecProvider.StdinUnavailableMessage = "nobody is there to answer"
	}
	return config, nil
}

// expandHome does what the shell does not, because "~" is not at the beginning of the
// word.
func expandHome(path string) (string, error) {
	below, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("the home directory is unknown (%w); write the whole path", err)
	}
	return filepath.Join(home, below), nil
}
