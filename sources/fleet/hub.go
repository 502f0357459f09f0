package fleet

import (
	"errors"
	"slices"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// LoadHub returns how to reach the hub: as the current context of the kubeconfig
// at path says or, if path is empty, as the pod's service account, and outside of
// a pod as kubectl would. It sets no limits and no timeout. A token file in it is
// read again when it changes; after another change of the kubeconfig the program
// has to be started again.
func LoadHub(path string) (*rest.Config, error) {
	found := hubKubeconfig("hub", path).scan(true)
	if i := slices.IndexFunc(found, func(fd Description) bool { return fd.Err == nil && fd.Member != nil }); i >= 0 {
		return found[i].Member.REST, nil
	}
	errs := []error{errors.New("the hub is not described: give --hub-kubeconfig a file whose current context is the hub, or name such a file in KUBECONFIG, " +
		"or run this in a Pod of the hub with a service account")}
	for _, fd := range found {
		errs = append(errs, Problem{Source: fd.Source, Context: fd.Context, Err: fd.Err})
	}
	return nil, errors.Join(errs...)
}

// hubProvider describes the hub as a member.
type hubProvider struct{ name, path string }

func (p *hubProvider) String() string { return "the hub" }

func (p *hubProvider) NewScanner() Scanner {
	return &kubeconfigScanner{hubKubeconfig(p.name, p.path)}
}

// hubKubeconfig returns where the hub is described, as its cluster's name.
func hubKubeconfig(name, path string) *kubeconfigFile {
	choose := chooseOnly(name)
	if path != "" {
		return newKubeconfigFile(choose, path)
	}
	d := newKubeconfigFile(choose)
	if serviceAccount() != nil {
		d.fallback = serviceAccount
	} else {
		d.paths = clientcmd.NewDefaultClientConfigLoadingRules().GetLoadingPrecedence()
	}
	return d
}
