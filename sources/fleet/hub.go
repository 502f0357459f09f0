package fleet

import (
	"context"
	"errors"
	"slices"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// follower is a scanner that hears of changes in the hub by itself, so that they
// take effect at once instead of at the next poll.
type follower interface {
	scanner
	// follow watches the hub until ctx ends, then joins what it started and
	// returns nil. changed is called after each change that scan would show.
	// scan may be called meanwhile.
	follow(ctx context.Context, hub *rest.Config, changed func()) error
}

// hubUser is a provider that needs the hub.
type hubUser interface{ needsHub() }

// NeedsHub says whether one of the providers reads the hub, so that Options.Hub
// has to be set.
func NeedsHub(providers []Provider) bool {
	return slices.ContainsFunc(providers, func(p Provider) bool { _, ok := p.(hubUser); return ok })
}

// LoadHub returns how to reach the hub: as the current context of the kubeconfig
// at path says or, if path is empty, as the pod's service account, and outside of
// a pod as kubectl would. It sets no limits and no timeout. A token file in it is
// read again when it changes; after another change of the kubeconfig the program
// has to be started again.
func LoadHub(path string) (*rest.Config, error) {
	found := hubDocument("hub", path).scan(true)
	if i := slices.IndexFunc(found, func(fd finding) bool { return fd.err == nil && fd.member != nil }); i >= 0 {
		return found[i].member.REST, nil
	}
	errs := []error{errors.New("the hub is not described; see --hub-kubeconfig")}
	for _, fd := range found {
		errs = append(errs, Problem{Source: fd.source, Context: fd.context, Err: fd.err})
	}
	return nil, errors.Join(errs...)
}

// hubProvider describes the hub as a member.
type hubProvider struct{ name, path string }

func (p *hubProvider) String() string { return "the hub" }

func (p *hubProvider) newScanner() scanner {
	return &documentScanner{hubDocument(p.name, p.path)}
}

// hubDocument returns where the hub is described, as its cluster's name.
func hubDocument(name, path string) *document {
	choose := chooseOnly(name)
	if path != "" {
		return newDocument(choose, path)
	}
	d := newDocument(choose)
	if serviceAccount() != nil {
		d.fallback = serviceAccount
	} else {
		d.paths = clientcmd.NewDefaultClientConfigLoadingRules().GetLoadingPrecedence()
	}
	return d
}
