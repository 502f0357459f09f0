package fleet

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/internal/spec"
)

// KubeconfigKind returns kubeconfig:PATH, a file of which each context is a member.
func KubeconfigKind() Kind {
	return Kind{
		Form: Form{
			Scheme: "kubeconfig", Usage: "kubeconfig:PATH",
			Summary: "every context of the file is a member; changes take effect within seconds",
			Params:  []Param{{Name: "contexts", Type: spec.List, Meaning: "the contexts that are members; without it all are"}},
		},
		Parse: func(v *Value, _ ParseOptions) (Provider, error) {
			path, err := apiclient.ExpandHome(v.Rest)
			p := &kubeconfigProvider{value: v.Text, path: path, contexts: v.List("contexts")}
			for i, name := range p.contexts {
				if slices.Contains(p.contexts[:i], name) {
					err = errors.Join(err, fmt.Errorf("picks context %q twice; remove one", clip(name)))
				}
			}
			if v.HasQuery && !v.Given("contexts") {
				err = errors.Join(err, errors.New("picks no context; write ?contexts=A,B or leave the question mark out for all"))
			}
			return p, err
		},
	}
}

// DirKind returns dir:PATH, a folder of which each file is a member.
func DirKind() Kind {
	return Kind{
		Form: Form{
			Scheme: "dir", Usage: "dir:PATH",
			Summary: "each file is a kubeconfig, its base name the member's name; changes take effect within seconds",
		},
		Parse: func(v *Value, _ ParseOptions) (Provider, error) {
			path, err := apiclient.ExpandHome(v.Rest)
			return &dirProvider{value: v.Text, path: path}, err
		},
	}
}
