package fleet

import (
	"cmp"
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
)

// secretsProvider describes one cluster per Secret of the hub.
type secretsProvider struct {
	value     string
	namespace string // empty for all
	format    *secretFormat
	selector  string
}

func (p *secretsProvider) String() string { return p.value }

// NeedsHub makes the provider a HubReader.
func (p *secretsProvider) NeedsHub() {}

func (p *secretsProvider) NewScanner() Scanner {
	return &secretsScanner{
		provider: p,
		informer: &hubInformer{what: "Secrets " + inNamespace(p.namespace)},
		objects:  newDescriptions("v1", "Secret"),
	}
}

func inNamespace(namespace string) string {
	if namespace == "" {
		return "in all namespaces"
	}
	return "in namespace " + namespace
}

type secretsScanner struct {
	provider *secretsProvider
	informer *hubInformer
	objects  *descriptions
}

func (s *secretsScanner) Scan() []Description {
	objects, err := s.informer.look()
	findings := s.objects.update(objects, func(o metav1.Object, f Description) (Description, error) {
		secret := o.(*corev1.Secret)
		own := s.provider.format.name(secret)
		f.Name = cmp.Or(f.Name, own)
		f.Chosen = s.provider.format.chosen || f.Name != own
		return describeSecret(s.provider.format, secret, f)
	})
	if err != nil {
		findings = append(findings, Description{Source: s.provider.value, Err: err})
	}
	return findings
}

// Complete implements Completer.
func (s *secretsScanner) Complete() bool { return s.informer.complete() }

func (s *secretsScanner) Follow(ctx context.Context, env Env, changed func()) error {
	client, err := corev1client.NewForConfig(env.Hub)
	if err != nil {
		return fmt.Errorf("--clusters %s: %w", s.provider, err)
	}
	secrets := client.Secrets(s.provider.namespace)
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = s.provider.selector
			return secrets.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = s.provider.selector
			return secrets.Watch(ctx, o)
		},
	}
	return s.informer.run(ctx, env.Hub, lw, client, &corev1.Secret{}, s.provider.trim, changed)
}

// trim drops what is not needed of a Secret before it is kept.
func (p *secretsProvider) trim(o any) (any, error) {
	secret, ok := o.(*corev1.Secret)
	if !ok {
		return o, nil
	}
	trimmed := &corev1.Secret{ObjectMeta: trimMeta(&secret.ObjectMeta)}
	if p.format.applies != nil && !p.format.applies(secret) {
		trimmed.Annotations = map[string]string{annotationIgnored: ""}
		return trimmed, nil
	}
	trimmed.Data = make(map[string][]byte, len(p.format.keys))
	for _, key := range p.format.keys {
		if value, ok := secret.Data[key]; ok {
			trimmed.Data[key] = value
		}
	}
	return trimmed, nil
}

// annotationIgnored marks an object of the informer that describes no cluster.
const annotationIgnored = "fairlead.dev/ignored"

// trimMeta keeps what tells an object and its version, its labels, and the
// annotations that are read.
func trimMeta(m *metav1.ObjectMeta) metav1.ObjectMeta {
	trimmed := metav1.ObjectMeta{
		Namespace: m.Namespace, Name: m.Name, UID: m.UID,
		ResourceVersion: m.ResourceVersion, CreationTimestamp: m.CreationTimestamp, Labels: m.Labels,
	}
	for _, name := range []string{annotationName, annotationQPS, annotationSnapshotQPS, annotationBurst, annotationWeight, annotationPaused,
		annotationMaxObjects, annotationMaxLedgerBytes} {
		if value, ok := m.Annotations[name]; ok {
			metav1.SetMetaDataAnnotation(&trimmed, name, value)
		}
	}
	return trimmed
}
