package fleet

import (
	"errors"
	"fmt"
	"slices"
)

// ParseOptions are the flags beside --clusters that say which clusters there are.
type ParseOptions struct {
	// Kinds are the kinds of values that are known. Nil: those of this package.
	Kinds []Kind
	// IncludeHub is what the hub is called as a member of its own fleet
	// (--include-hub). Empty: it is none.
	IncludeHub string
	// HubKubeconfig says where the hub is; see LoadHub (--hub-kubeconfig).
	HubKubeconfig string
	// AccessProviders is the file that lists the access providers for
	// ClusterProfiles (--cluster-profile-access-providers).
	AccessProviders string
}

// Parse turns the values of --clusters into providers:
//
//   - kubeconfig:PATH has one cluster per context, named as the context;
//     ?contexts=A,B picks some. In A and B a percent sign, an ampersand and a comma
//     are written %25, %26 and %2C.
//
//   - dir:PATH has one cluster per file, each a kubeconfig of which the current
//     or only context counts. The file's base name without .yaml, .yml, .conf or
//     .kubeconfig is the cluster's name. Hidden files, directories and editors'
//     temporary files are ignored.
//
//   - secrets:NAMESPACE has one cluster per Secret of the hub; secrets:* looks
//     into all namespaces. ?format= is kubeconfig (the default), capi, argocd or
//     multicluster-runtime. &selector= is a label selector: instead of the label
//     fairlead.dev/cluster=true for kubeconfig, besides the format's own label for
//     the others.
//
//   - clusterprofiles:NAMESPACE has one cluster per ClusterProfile of the hub;
//     ?selector= as before. It needs AccessProviders.
//
// A path that begins with "~/" is below the home directory. A path may not
// contain a question mark.
//
// Without values and without IncludeHub there is one provider: the kubeconfig that kubectl would use
// (the files in $KUBECONFIG, else ~/.kube/config, else the service account of
// the pod), and of it the current context only, because a personal kubeconfig
// usually lists clusters that nobody meant to put under watch.
//
// The error joins what is wrong with each value. Whether files exist is not
// looked at; see Fleet.Check.
func Parse(values []string) ([]Provider, error) { return ParseOptions{}.Parse(values) }

// Parse is the function of that name, with options.
func (o ParseOptions) Parse(values []string) ([]Provider, error) {
	var (
		providers []Provider
		errs      []error
	)
	if o.Kinds == nil {
		o.Kinds = Kinds()
	}
	if o.IncludeHub != "" {
		if err := checkName(o.IncludeHub); err != nil {
			errs = append(errs, fmt.Errorf("--include-hub: %w", err))
		}
		providers = append(providers, &hubProvider{name: o.IncludeHub, path: o.HubKubeconfig})
	}
	table := NewTable(o.Kinds)
	for i, value := range values {
		p, err := o.parseOne(table, value, slices.Contains(values[:i], value))
		if err != nil {
			errs = append(errs, flagged(err))
			continue
		}
		providers = append(providers, p)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(providers) == 0 {
		providers = []Provider{newCurrentProvider()}
	}
	return providers, nil
}

func (o ParseOptions) parseOne(table *Table, value string, twice bool) (Provider, error) {
	i, v, err := table.Parse(value)
	if i < 0 {
		return nil, err
	}
	p, wrong := o.Kinds[i].Parse(v, o)
	if err == nil && wrong == nil && twice {
		wrong = errors.New("is given twice; remove one")
	}
	return p, errors.Join(err, v.Explain(wrong))
}

// flagged puts the flag before each error that err joins.
func flagged(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, flagged(e))
		}
		return errors.Join(all...)
	}
	return fmt.Errorf("--clusters %w", err)
}
