package fairleadtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Target is something that a kubeconfig's context can name: a *Cluster, a *Proxy
// in front of one, or a caller's own.
type Target interface {
	// Name is the context's name.
	Name() string
	// Config says how to connect. Only host, TLS data and bearer token are used.
	Config() *rest.Config
}

// Kubeconfig returns one kubeconfig with a context per target, the first of them
// current. Names must differ.
func Kubeconfig(targets ...Target) ([]byte, error) {
	file := clientcmdapi.NewConfig()
	for i, target := range targets {
		name, config := target.Name(), target.Config()
		if _, twice := file.Contexts[name]; twice {
			return nil, fmt.Errorf("kubeconfig: two targets are named %q", name)
		}
		file.Clusters[name] = &clientcmdapi.Cluster{
			Server:                   config.Host,
			CertificateAuthorityData: config.CAData,
			TLSServerName:            config.ServerName,
		}
		file.AuthInfos[name] = &clientcmdapi.AuthInfo{
			ClientCertificateData: config.CertData,
			ClientKeyData:         config.KeyData,
			Token:                 config.BearerToken,
		}
		file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
		if i == 0 {
			file.CurrentContext = name
		}
	}
	text, err := clientcmd.Write(*file)
	if err != nil {
		return nil, fmt.Errorf("encode a kubeconfig: %w", err)
	}
	return text, nil
}

// WriteKubeconfig is Kubeconfig into a file that only its owner can read. The
// file is replaced in one step, as a watcher of its directory wants it.
func WriteKubeconfig(path string, targets ...Target) error {
	text, err := Kubeconfig(targets...)
	if err != nil {
		return err
	}
	// A leading dot hides it from those who read every file of the directory.
	temporary, err := os.CreateTemp(filepath.Dir(path), ".kubeconfig-*")
	if err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", path, err)
	}
	_, err = temporary.Write(text)
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write kubeconfig %s: %w", path, err), os.Remove(temporary.Name()))
	}
	return nil
}
