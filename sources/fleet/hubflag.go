package fleet

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

// parseSecrets reads what follows "secrets:".
func parseSecrets(value, rest string) (Provider, error) {
	namespace, options, err := parseHubValue(rest, "format", "selector")
	if err != nil {
		return nil, err
	}
	name, ok := options["format"]
	if !ok {
		name = "kubeconfig"
	}
	format := secretFormats[name]
	if format == nil {
		return nil, fmt.Errorf("format %q is unknown; it is one of %s", name, formatNames())
	}
	selector := format.label
	if own, ok := options["selector"]; ok {
		selector = own
		if format.narrow {
			selector = format.label + "," + own
		}
	}
	return &secretsProvider{value: value, namespace: namespace, format: format, selector: selector}, nil
}

// parseProfiles reads what follows "clusterprofiles:".
func (o ParseOptions) parseProfiles(value, rest string) (Provider, error) {
	namespace, options, err := parseHubValue(rest, "selector")
	if err != nil {
		return nil, err
	}
	if o.AccessProviders == "" {
		return nil, errors.New("a ClusterProfile holds no credentials; set --cluster-profile-access-providers to the file that says how to get them")
	}
	return &profilesProvider{value: value, namespace: namespace, selector: options["selector"], path: o.AccessProviders}, nil
}

// parseHubValue returns the namespace, empty for all, and the options, of which
// only the known ones are allowed.
func parseHubValue(rest string, known ...string) (namespace string, options map[string]string, err error) {
	namespace, query, _ := strings.Cut(rest, "?")
	switch {
	case namespace == "":
		return "", nil, errors.New("has no namespace; name one, or write * for all")
	case namespace == "*":
		namespace = ""
	default:
		if wrong := validation.IsDNS1123Label(namespace); len(wrong) > 0 {
			return "", nil, fmt.Errorf("%q cannot be a namespace: %s", namespace, strings.Join(wrong, "; "))
		}
	}
	options = map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		option, escaped, _ := strings.Cut(pair, "=")
		if !strings.Contains(","+strings.Join(known, ",")+",", ","+option+",") {
			return "", nil, fmt.Errorf("option %q is unknown; known is %s", option, strings.Join(known, ", "))
		}
		if _, twice := options[option]; twice {
			return "", nil, fmt.Errorf("option %s is given twice; remove one", option)
		}
		// QueryUnescape would turn a plus sign into a space.
		if options[option], err = url.PathUnescape(escaped); err != nil {
			return "", nil, fmt.Errorf("option %s: %w; write %%25 for a percent sign", option, err)
		}
	}
	if selector, ok := options["selector"]; ok {
		parsed, err := labels.Parse(selector)
		if err != nil {
			return "", nil, fmt.Errorf("selector: %w", err)
		}
		if parsed.Empty() {
			return "", nil, errors.New("selector selects everything; leave it out")
		}
	}
	return namespace, options, nil
}
