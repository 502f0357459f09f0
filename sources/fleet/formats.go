package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// secretFormat is one way to describe a cluster in a Secret.
type secretFormat struct {
	// label selects the Secrets of this format.
	label string
	// narrow says that a selector is asked for besides the label, because the
	// label belongs to the format, rather than in its place.
	narrow bool
	// keys are the data that is read; nothing else of the Secret is kept.
	keys []string
	// applies says whether a Secret that the selector matches describes a
	// cluster at all. Nil means that all do.
	applies func(*corev1.Secret) bool
	// name returns what the cluster is called if no annotation says so.
	name func(*corev1.Secret) string
	// chosen says that name is not made of the Secret's own.
	chosen bool
	// read returns the kubeconfig and which of its contexts to use. Its errors
	// quote no data.
	read func(*corev1.Secret) (*clientcmdapi.Config, string, error)
}

const (
	labelCAPI  = "cluster.x-k8s.io/cluster-name"
	labelArgo  = "argocd.argoproj.io/secret-type"
	labelMCR   = "sigs.k8s.io/multicluster-runtime-kubeconfig"
	labelOwn   = "fairlead.dev/cluster"
	suffixCAPI = "-kubeconfig"
)

var secretFormats = map[string]*secretFormat{
	"kubeconfig": {
		label: labelOwn + "=true",
		keys:  []string{"kubeconfig"},
		name:  secretName,
		read:  kubeconfigIn("kubeconfig"),
	},
	// Cluster API puts certificate authorities under the same label.
	"capi": {
		label:   labelCAPI,
		narrow:  true,
		keys:    []string{"value"},
		applies: func(s *corev1.Secret) bool { return s.Name == s.Labels[labelCAPI]+suffixCAPI },
		name:    func(s *corev1.Secret) string { return s.Labels[labelCAPI] },
		read:    kubeconfigIn("value"),
	},
	"argocd": {
		label:  labelArgo + "=cluster",
		narrow: true,
		keys:   []string{"name", "server", "config"},
		name:   argoName,
		chosen: true,
		read:   readArgo,
	},
	"multicluster-runtime": {
		label:  labelMCR + "=true",
		narrow: true,
		keys:   []string{"kubeconfig"},
		name:   secretName,
		read:   kubeconfigIn("kubeconfig"),
	},
}

func formatNames() []string { return slices.Sorted(maps.Keys(secretFormats)) }

func secretName(s *corev1.Secret) string { return s.Name }

// kubeconfigIn returns a function that reads the kubeconfig under a key.
func kubeconfigIn(key string) func(*corev1.Secret) (*clientcmdapi.Config, string, error) {
	return func(s *corev1.Secret) (*clientcmdapi.Config, string, error) {
		data, ok := s.Data[key]
		if !ok {
			return nil, "", fmt.Errorf("has no key %q", key)
		}
		if len(strings.TrimSpace(string(data))) == 0 {
			return nil, "", fmt.Errorf("the value of key %q is empty", key)
		}
		cfg, err := loadKubeconfig(data)
		if err != nil {
			return nil, "", fmt.Errorf("key %q %w", key, err)
		}
		c := chooseOnly("")(cfg)[0]
		return cfg, c.context, c.err
	}
}

// describeSecret makes a member of a Secret.
func describeSecret(format *secretFormat, s *corev1.Secret, f Description) (Description, error) {
	cfg, context, err := format.read(s)
	f.Context = context
	if err != nil {
		return f, err
	}
	// A refusal comes first: nothing else that is wrong matters then.
	if err := validateUntrusted(cfg); err != nil {
		return f, err
	}
	if len(context) > maxNameBytes {
		return f, fmt.Errorf("the context's name has %d bytes, at most %d are allowed", len(context), maxNameBytes)
	}
	f.Member, err = describe(cfg, nil, f)
	return f, err
}
