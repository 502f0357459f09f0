package fleet

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-dev/fairlead/internal/spec"
)

// SecretsKind returns secrets:NAMESPACE, Secrets of the hub of which each is a
// member.
func SecretsKind() Kind {
	return Kind{
		Form: Form{
			Scheme: "secrets", Usage: "secrets:NAMESPACE",
			Summary: "each Secret of the hub is a member; * is every namespace; changes take effect at once",
			Params: []Param{
				{Name: "format", Type: spec.Choice, Default: "kubeconfig", Choices: formatNames(), Meaning: "how a Secret describes a member"},
				{Name: "selector", Meaning: "label selector of the Secrets; without it fairlead.dev/cluster=true. For the other formats it narrows the format's own label"},
			},
		},
		Parse: func(v *Value, _ ParseOptions) (Provider, error) {
			format := secretFormats[v.Str("format")]
			namespace, selector, err := hubObjects(v)
			switch {
			case selector == "":
				selector = format.label
			case format.narrow:
				selector = format.label + "," + selector
			}
			return &secretsProvider{value: v.Text, namespace: namespace, format: format, selector: selector}, err
		},
	}
}

// ClusterProfilesKind returns clusterprofiles:NAMESPACE, ClusterProfiles of the hub
// of which each is a member. It needs ParseOptions.AccessProviders.
func ClusterProfilesKind() Kind {
	return Kind{
		Form: Form{
			Scheme: "clusterprofiles", Usage: "clusterprofiles:NAMESPACE",
			Summary: "each ClusterProfile of the hub is a member; * is every namespace; changes take effect at once",
			Params:  []Param{{Name: "selector", Meaning: "label selector of the ClusterProfiles; without it all are members"}},
		},
		Parse: func(v *Value, o ParseOptions) (Provider, error) {
			namespace, selector, err := hubObjects(v)
			if o.AccessProviders == "" {
				err = errors.Join(err, errors.New("a ClusterProfile holds no credentials; set --cluster-profile-access-providers to the file that says how to get them"))
			}
			return &profilesProvider{value: v.Text, namespace: namespace, selector: selector, path: o.AccessProviders}, err
		},
	}
}

// hubObjects returns the namespace, empty for all, and the selector, empty if none
// is given.
func hubObjects(v *Value) (namespace, selector string, err error) {
	var errs []error
	namespace = v.Rest
	if namespace == "*" {
		namespace = ""
	} else if wrong := validation.IsDNS1123Label(namespace); namespace != "" && len(wrong) > 0 {
		errs = append(errs, fmt.Errorf("what follows the colon cannot be a namespace: %s", strings.Join(wrong, "; ")))
	}
	if v.Given("selector") {
		selector = v.Str("selector")
		parsed, err := labels.Parse(selector)
		if err != nil {
			errs = append(errs, fmt.Errorf("selector: %w", err))
		} else if parsed.Empty() {
			errs = append(errs, errors.New("selector selects everything; leave it out"))
		}
	}
	return namespace, selector, errors.Join(errs...)
}
