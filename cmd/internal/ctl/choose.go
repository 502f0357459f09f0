package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// notEmpty fails if one of the flags is given and empty. A script whose variable is empty is not to
// mean everything.
func notEmpty(flags *pflag.FlagSet, names ...string) error {
	for _, name := range names {
		f := flags.Lookup(name)
		if f == nil || !f.Changed {
			continue
		}
		text := strings.TrimSpace(f.Value.String())
		if text == "" || text == "[]" && f.Value.Type() == "stringSlice" {
			return Unasked(fmt.Errorf("--%s is empty; give it a value, or leave it out", name))
		}
	}
	return nil
}

// chosen returns the names of the clusters that have labels, in order, and what the program tells
// of all. Without a selector it is all of them. That there is none is an error, and a selector that
// names no label.
func (c *Client) chosen(ctx context.Context, stderr io.Writer, flag, selector string) (names []string, status *api.Status, err error) {
	wanted, err := labels.Parse(selector)
	if err != nil {
		return nil, nil, fmt.Errorf("--%s: %w", flag, err)
	}
	if selector != "" && wanted.Empty() {
		return nil, nil, fmt.Errorf("--%s %q names no label; give one, such as region=north", flag, selector)
	}
	if status, err = c.Clusters(ctx, stderr); err != nil {
		return nil, nil, err
	}
	for i := range status.Clusters {
		if wanted.Matches(labels.Set(status.Clusters[i].Labels)) {
			names = append(names, status.Clusters[i].Name)
		}
	}
	if err := anySelected(status, flag, selector, wanted); err != nil {
		return nil, nil, err
	}
	if len(names) == 0 {
		return nil, nil, errors.New("there is no cluster; fairlead status tells of all")
	}
	slices.Sort(names)
	return names, status, nil
}

// anySelected returns an error if no cluster has the labels that a flag names. Without any there is
// nothing to fail for.
func anySelected(status *api.Status, flag, selector string, selected labels.Selector) error {
	has := func(c api.Cluster) bool { return selected.Matches(labels.Set(c.Labels)) }
	if selector == "" || slices.ContainsFunc(status.Clusters, has) {
		return nil
	}
	return fmt.Errorf("--%s %s: no cluster has these labels, which Secrets and ClusterProfiles give them; fairlead status -o wide tells of all", flag, selector)
}
