// Package hub keeps a record of each object of the fleet in the API server of the hub.
//
//	batch ── by key ──▶ up to 16 requests at once ──▶ hub: POST, or PATCH of spec as a whole
//	                                                       │ rules of the CRD (CEL):
//	                                                       │ never an older (term, sequence)
//	                                                       ▼
//	                        kubectl get records ◀── Record{cluster, resource, name, ..., object}
//	                                                       ▲
//	          records of what is gone, an hour later ── DELETE, if unchanged
//
// # Guarantees
//
//   - There is one record for each object that a member has, with its metadata or all of
//     it: [RecordName] says which.
//   - A record never goes back. The API server compares (term, sequence) in the
//     transaction that writes: so that holds for repeats, for writes that come late, and
//     for several processes. A write that is older counts as accepted and changes nothing;
//     one of an earlier term fails with [pipeline.ErrOldTerm].
//   - A deleted object keeps its record, with spec.deleted and the label deleted=true, for
//     Options.DeletedFor: what comes late finds it. Then the record is removed, on the
//     condition that it has not changed.
//   - What Write accepted is in the hub's etcd.
//
// # What it does not do
//
// A write that comes later than DeletedFor after the deletion makes the record anew. Who
// deletes a record loses it until the object's next change. Records of the hub
// (records.records.fairlead.dev) and Events get none: they are accepted, counted as
// skipped, and not written. An object that kubectl apply has made is stored there whole
// in an annotation: in mode metadata the record has it not.
//
// # What it trusts
//
// The hub. It reads bounded answers, follows no redirect, and shows no credential.
//
// # Rights and set-up
//
// Create, patch, list and delete of records in one namespace, which has to exist, as does
// the CRD: [CRD] is what deploy/components/hub-records holds and Options.Install applies,
// for which it has to get and patch it, and to create such. The rules need Kubernetes 1.29,
// the selectable fields 1.32.
//
// # Usage
//
//	sink, err := hub.New(hub.Options{
//		Namespace: "fairlead-records",
//		Config:    func() (*rest.Config, error) { return rest.InClusterConfig() },
//		QPS:       50, Burst: 100,
//	})
//	...
//	err = sink.Write(ctx, batch)
//	err = sink.Close()
//
// [Kind] makes it a sink that a text chooses.
package hub
