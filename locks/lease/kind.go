package lease

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/locks"
)

// Kind returns lease:NAMESPACE/NAME, a Lease of the hub.
func Kind() locks.Kind {
	return locks.Kind{
		Form: locks.Form{
			Scheme: "lease", Usage: "lease:NAMESPACE/NAME",
			Summary: "a Lease of the hub, made if it is not there",
			Rest:    locks.Required,
		},
		Parse: parse,
	}
}

func parse(v *locks.Value) (locks.Spec, error) {
	namespace, name, ok := strings.Cut(v.Rest, "/")
	if !ok {
		return locks.Spec{}, errors.New("no slash; write lease:NAMESPACE/NAME")
	}
	var errs []error
	if wrong := validation.IsDNS1123Label(namespace); len(wrong) > 0 {
		errs = append(errs, fmt.Errorf("what stands before the slash cannot be a namespace: %s", strings.Join(wrong, "; ")))
	}
	if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
		errs = append(errs, fmt.Errorf("what follows the slash cannot be the name of a Lease: %s", strings.Join(wrong, "; ")))
	}
	if err := errors.Join(errs...); err != nil {
		return locks.Spec{}, err
	}
	return locks.Spec{
		Identity: "lease:" + namespace + "/" + name,
		NeedsHub: true,
		Open: func(_ context.Context, env locks.Env) (resourcelock.Interface, error) {
			if env.Hub == nil {
				return nil, errors.New("lock a Lease: it is not said where the hub is")
			}
			hub := rest.CopyConfig(env.Hub)
			if env.UserAgent != "" {
				hub.UserAgent = env.UserAgent
			}
			return New(hub, Options{Namespace: namespace, Name: name, Identity: env.Identity, Timeout: env.Timeout})
		},
	}, nil
}
