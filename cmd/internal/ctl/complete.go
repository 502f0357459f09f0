package ctl

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// completeWithin bounds a completion: whoever presses a key waits for it.
const completeWithin = time.Second

// values returns what may be typed in a place, of what the program tells.
type values func(s *api.Status, begun string) []cobra.Completion

// complete completes what is begun by what the program tells within a second. Its answer
// is the one that the commands read. What is typed already is not offered again.
func (c *Client) complete(cmd *cobra.Command, typed []string, begun string, of values) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	status, err := c.Clusters(ctx, io.Discard)
	if err != nil {
		cobra.CompErrorln(err.Error())
		return nil, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveError
	}
	how := cobra.ShellCompDirectiveNoFileComp
	var found []cobra.Completion
	for _, one := range of(status, begun) {
		name, _, _ := strings.Cut(one, "\t")
		if strings.HasPrefix(name, begun) && !slices.Contains(typed, name) {
			found = append(found, one)
			if strings.HasSuffix(name, "/") { // more is to follow
				how |= cobra.ShellCompDirectiveNoSpace
			}
		}
	}
	return found, how
}

// CompleteClusters completes names of clusters. It is a cobra.Command's ValidArgsFunction.
func (c *Client) CompleteClusters(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return c.complete(cmd, args, begun, clusterNames)
}

// CompleteCluster is CompleteClusters where only the first argument is a cluster, and no
// other follows.
func (c *Client) CompleteCluster(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.CompleteClusters(cmd, args, begun)
}

// completeObject completes a cluster, and then one of its resources, with a slash behind.
func (c *Client) completeObject(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return c.CompleteCluster(cmd, args, begun)
	}
	return c.complete(cmd, nil, begun, func(s *api.Status, _ string) []cobra.Completion {
		names := resourceNames(args)(s, "")
		for i := range names {
			names[i] += "/"
		}
		return names
	})
}

// completeResources completes resources of the clusters that --cluster names.
func (c *Client) completeResources(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return c.complete(cmd, args, begun, resourceNames(given(cmd.Flag("cluster"))))
}

// completeFlags completes those flags of a command that name something of the program.
func (c *Client) completeFlags(cmd *cobra.Command) {
	for name, of := range map[string]func() values{
		"cluster":  func() values { return clusterNames },
		"stream":   func() values { return streamNames },
		"route":    func() values { return sinkNames },
		"sink":     func() values { return sinkNames },
		"resource": func() values { return resourceNames(given(cmd.Flag("cluster"))) },
	} {
		f := cmd.Flag(name)
		if f == nil {
			continue
		}
		// It fails only for a flag that there is not.
		_ = cmd.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			before := ""
			if f.Value.Type() == "stringSlice" { // also behind a comma
				before = begun[:strings.LastIndex(begun, ",")+1]
			}
			found, how := c.complete(cmd, strings.Split(before, ","), begun[len(before):], of())
			for i := range found {
				found[i] = before + found[i]
			}
			return found, how
		})
	}
}

// given returns the values of a flag of one or several; none without it.
func given(f *pflag.Flag) []string {
	switch {
	case f == nil || !f.Changed:
		return nil
	case f.Value.Type() == "stringSlice":
		return f.Value.(pflag.SliceValue).GetSlice()
	}
	return []string{f.Value.String()}
}

func clusterNames(s *api.Status, _ string) (names []cobra.Completion) {
	for i := range s.Clusters {
		k := &s.Clusters[i]
		names = append(names, cobra.CompletionWithDesc(Printable(k.Name), string(standingOf(k).state)))
	}
	return names
}

func sinkNames(s *api.Status, _ string) (names []cobra.Completion) {
	for i := range s.Sinks {
		names = append(names, cobra.CompletionWithDesc(Printable(s.Sinks[i].Name), healthOf(&s.Sinks[i])))
	}
	return names
}

// resourceNames returns the resources of these clusters, or of all, each once and in order.
func resourceNames(clusters []string) values {
	return func(s *api.Status, _ string) (names []cobra.Completion) {
		for i := range s.Clusters {
			k := &s.Clusters[i]
			if len(clusters) > 0 && !slices.Contains(clusters, k.Name) {
				continue
			}
			for j := range k.Streams {
				names = append(names, Printable(resourceOf(&k.Streams[j])))
			}
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
}

// streamNames returns CLUSTER/ of all clusters, and CLUSTER/RESOURCE of one that is typed.
func streamNames(s *api.Status, begun string) (names []cobra.Completion) {
	for i := range s.Clusters {
		k := &s.Clusters[i]
		cluster := Printable(k.Name) + "/"
		if !strings.HasPrefix(begun, cluster) {
			names = append(names, cluster)
			continue
		}
		for j := range k.Streams {
			st := &k.Streams[j]
			names = append(names, cobra.CompletionWithDesc(cluster+Printable(resourceOf(st)), stateOf(st)))
		}
	}
	return names
}
