package fleet

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Provider is a place that describes clusters; Parse makes them.
type Provider interface {
	// String returns the provider as it is written on the command line.
	String() string
	// newScanner returns a scanner that has seen nothing yet.
	newScanner() scanner
}

// scanner reads what a provider describes now. It remembers what it read
// before; one goroutine uses it at a time.
type scanner interface {
	scan() []finding
}

// finding is what a scanner says about one context, or about a whole source if
// Name is empty. Both member and err are set when the last good description is
// kept because the present one is of no use.
type finding struct {
	source, context, name string

	member *Member
	err    error
	absent bool // the context is asked for, but there is none
	chosen bool // the name is one that whoever wrote the description chose, and not the object's own

	object *corev1.ObjectReference // in the hub, if that is where it was made
	event  string                  // reason of the Event about err; empty for eventUnusable
}

// usage ends every message about a bad value.
const usage = "write kubeconfig:PATH, kubeconfig:PATH?contexts=A,B, dir:PATH, " +
	"secrets:NAMESPACE?format=FORMAT&selector=SELECTOR or clusterprofiles:NAMESPACE"

// ParseOptions are the flags beside --clusters that say which clusters there are.
type ParseOptions struct {
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
	if o.IncludeHub != "" {
		if err := checkName(o.IncludeHub); err != nil {
			errs = append(errs, fmt.Errorf("--include-hub: %w", err))
		}
		providers = append(providers, &hubProvider{name: o.IncludeHub, path: o.HubKubeconfig})
	}
	for i, value := range values {
		p, err := o.parseOne(value)
		if err == nil && slices.Contains(values[:i], value) {
			err = errors.New("is given twice; remove one")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("--clusters %q: %w", value, err))
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

func (o ParseOptions) parseOne(value string) (Provider, error) {
	kind, rest, ok := strings.Cut(value, ":")
	if !ok {
		return nil, errors.New("has no kind; " + usage)
	}
	switch kind {
	case "kubeconfig", "dir":
	case "secrets":
		return parseSecrets(value, rest)
	case "clusterprofiles":
		return o.parseProfiles(value, rest)
	default:
		return nil, fmt.Errorf("kind %q is unknown; %s", kind, usage)
	}
	path, query, hasQuery := strings.Cut(rest, "?")
	if path == "" {
		return nil, errors.New("has no path; " + usage)
	}
	path, err := expandHome(path)
	if err != nil {
		return nil, err
	}
	if kind == "dir" {
		if hasQuery {
			return nil, errors.New("dir takes no options; write dir:PATH")
		}
		return &dirProvider{value: value, path: path}, nil
	}
	contexts, err := parseContexts(query)
	if err != nil {
		return nil, err
	}
	if hasQuery && len(contexts) == 0 {
		return nil, errors.New("picks no context; write ?contexts=A,B or leave the question mark out for all")
	}
	return &kubeconfigProvider{value: value, path: path, contexts: contexts}, nil
}

// parseContexts returns the contexts that a query picks, in its order.
func parseContexts(query string) ([]string, error) {
	var contexts []string
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		option, list, _ := strings.Cut(pair, "=")
		if option != "contexts" {
			return nil, fmt.Errorf("option %q is unknown; the only one is contexts, as in ?contexts=A,B", option)
		}
		for escaped := range strings.SplitSeq(list, ",") {
			// QueryUnescape would turn a plus sign into a space, which no
			// cluster's name contains.
			name, err := url.PathUnescape(escaped)
			if err != nil {
				return nil, fmt.Errorf("context %q: %w; write %%25 for a percent sign", escaped, err)
			}
			if name == "" {
				return nil, errors.New("picks a context without a name; write ?contexts=A,B")
			}
			if slices.Contains(contexts, name) {
				return nil, fmt.Errorf("picks context %q twice; remove one", name)
			}
			contexts = append(contexts, name)
		}
	}
	return contexts, nil
}

// expandHome does what the shell does not, because "~" is not at the beginning
// of the word.
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
