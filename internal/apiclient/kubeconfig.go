package apiclient

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

// Context returns what a context of a kubeconfig says. An empty path is the files
// that kubectl would read, an empty name the current context. No error quotes what the
// files hold but names of contexts.
func Context(path, name string) (*rest.Config, error) {
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
	}
	if name == "" {
		name = loaded.CurrentContext
	}
	switch {
	case name == "":
		return nil, fmt.Errorf("kubeconfig %s has no current context", file)
	case loaded.Contexts[name] == nil:
		return nil, fmt.Errorf("kubeconfig %s has no context %.300q", file, name)
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*loaded, name, &clientcmd.ConfigOverrides{}, rules).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("context %.300q of kubeconfig %s cannot be used; kubectl --kubeconfig FILE --context %.300q cluster-info tells why", name, file, name)
	}
	if config.ExecProvider != nil {
		config.ExecProvider.StdinUnavailable = true
		config.ExecProvider.StdinUnavailableMessage = "nobody is there to answer"
	}
	return config, nil
}

// InPod returns how the Pod that this process runs in reaches its own cluster, as its
// service account. The token is read again when it changes.
func InPod() (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, errors.New("this is no Pod with a service account; say which kubeconfig to use")
	}
	return config, nil
}

// ExpandHome does what the shell does not where "~" is not at the beginning of the
// word: it replaces the one of "~/" by the home directory.
func ExpandHome(path string) (string, error) {
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
