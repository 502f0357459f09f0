package selection

import (
	"maps"
	"slices"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/ext"
	"k8s.io/apiserver/pkg/cel/library"
)

// The types of the variables. What a type lists as its fields is checked when an
// expression is compiled.
var (
	objectType   = cel.ObjectType("Object", traits.ContainerType|traits.IndexerType)
	metadataType = cel.ObjectType("ObjectMeta", traits.ContainerType|traits.IndexerType)
	clusterType  = cel.ObjectType("Cluster")
	changeType   = cel.ObjectType("Change")
)

var stringsType = cel.MapType(cel.StringType, cel.StringType)

// fieldTypes are the fields of the types above.
var fieldTypes = map[string]map[string]*cel.Type{
	"Object": objectFields(),
	"ObjectMeta": {
		"name": cel.StringType, "generateName": cel.StringType, "namespace": cel.StringType, "selfLink": cel.StringType,
		"uid": cel.StringType, "resourceVersion": cel.StringType, "generation": cel.IntType,
		"creationTimestamp": cel.StringType, "deletionTimestamp": cel.StringType, "deletionGracePeriodSeconds": cel.IntType,
		"labels": stringsType, "annotations": stringsType,
		"ownerReferences": cel.ListType(cel.DynType), "finalizers": cel.ListType(cel.StringType),
	},
	"Cluster": {"name": cel.StringType, "uid": cel.StringType, "labels": stringsType},
	"Change":  {"op": cel.StringType, "snapshot": cel.BoolType},
}

// topLevel are the fields beside apiVersion, kind and metadata that resources of
// Kubernetes have. Most custom resources have spec and status only.
var topLevel = []string{
	"action", "addressType", "aggregationRule", "allowVolumeExpansion", "allowedTopologies", "automountServiceAccountToken",
	"binaryData", "capacity", "conditions", "count", "data", "deleteOptions", "deprecatedCount", "deprecatedFirstTimestamp",
	"deprecatedLastTimestamp", "deprecatedSource", "description", "driverName", "endpoints", "eventTime", "firstTimestamp",
	"globalDefault", "handler", "imagePullSecrets", "immutable", "involvedObject", "lastTimestamp", "maximumVolumeSize",
	"message", "mountOptions", "nodeTopology", "note", "overhead", "parameters", "ports", "preemptionPolicy", "provisioner",
	"range", "reason", "reclaimPolicy", "regarding", "related", "reportingComponent", "reportingController",
	"reportingInstance", "revision", "roleRef", "rules", "scheduling", "secrets", "series", "source", "spec", "status",
	"storageClassName", "stringData", "subjects", "subsets", "target", "template", "type", "value", "volumeBindingMode",
	"webhooks",
}

func objectFields() map[string]*cel.Type {
	fields := map[string]*cel.Type{"apiVersion": cel.StringType, "kind": cel.StringType, "metadata": metadataType}
	for _, name := range topLevel {
		fields[name] = cel.DynType
	}
	return fields
}

// provider adds the types above to those that CEL knows.
type provider struct{ types.Provider }

func (p provider) FindStructType(name string) (*types.Type, bool) {
	if _, ours := fieldTypes[name]; ours {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if fields, ours := fieldTypes[name]; ours {
		return slices.Sorted(maps.Keys(fields)), true
	}
	return p.Provider.FindStructFieldNames(name)
}

func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if fields, ours := fieldTypes[name]; ours {
		t, known := fields[field]
		return &types.FieldType{Type: t}, known
	}
	return p.Provider.FindStructFieldType(name, field)
}

func (p provider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if _, ours := fieldTypes[name]; ours {
		return types.NewErr("%s cannot be made", name)
	}
	return p.Provider.NewValue(name, fields)
}

// environment is what expressions can use: the language and the libraries of API servers,
// and the variables. What an API server has besides is left out, because it has no use
// here (authorizer, JSON patches), or takes a time that grows with the square of a list's
// length (sets, and the lists of cel-go).
var environment = sync.OnceValues(func() (*cel.Env, error) {
	base, err := cel.NewEnv(
		cel.HomogeneousAggregateLiterals(),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		cel.ASTValidators(
			cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(),
			cel.ValidateRegexLiterals(), cel.ValidateHomogeneousAggregateLiterals(),
		),
		cel.CostEstimatorOptions(checker.PresenceTestHasCost(false)),
		ext.Strings(ext.StringsVersion(2)), ext.TwoVarComprehensions(),
		library.URLs(), library.Regex(), library.Lists(library.ListsVersion(0)), library.Quantity(), library.IP(), library.CIDR(),
		library.Format(), library.SemverLib(library.SemverVersion(1)),
	)
	if err != nil {
		return nil, err
	}
	return base.Extend(
		cel.CustomTypeProvider(provider{base.CELTypeProvider()}),
		// A field that no type lists: object['name'].
		cel.Function(operators.Index, index("index_object", objectType), index("index_metadata", metadataType)),
		cel.Function(operators.In, contains("in_object", objectType), contains("in_metadata", metadataType)),
		cel.Variable("object", objectType),
		cel.Variable("cluster", clusterType),
		cel.Variable("change", changeType),
	)
})

func index(id string, of *cel.Type) cel.FunctionOpt {
	return cel.Overload(id, []*cel.Type{of, cel.StringType}, cel.DynType)
}

func contains(id string, of *cel.Type) cel.FunctionOpt {
	return cel.Overload(id, []*cel.Type{cel.StringType, of}, cel.BoolType)
}
