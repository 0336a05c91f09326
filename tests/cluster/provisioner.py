#!/usr/bin/env python3
"""Makes a PersistentVolume for every claim of the cluster's storage classes, and removes it again.

All nodes are on this machine, so a folder here is a volume that all of them share. That makes
ReadWriteMany as easy as ReadWriteOnce; who may mount a volume where is Kubernetes' to say.
Runs inside the control plane's namespaces as long as the cluster is up.
"""
import http.client
import pathlib
import shutil
import threading
import time

import api
import layout

NAME = "fractos.test/folder"
CLASSES = ("fractos-local", "fractos-shared")
CLAIMS = "/api/v1/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"


def follow(client, path, handle):
    """Hands every object, and every change of one, to `handle`, for ever."""
    while True:
        try:
            listing = client.get(path)
            for thing in listing["items"]:
                handle(client, thing)
            for event in client.watch(path, listing["metadata"]["resourceVersion"]):
                if event["type"] in ("ADDED", "MODIFIED"):
                    handle(client, event["object"])
                elif event["type"] == "ERROR":
                    break
        except (OSError, http.client.HTTPException, api.ApiError, ValueError) as error:
            print(f"{path}: {error}; lists again", flush=True)
            time.sleep(0.5)  # the API server may be down for a test: do not hammer it


def provide(client, claim):
    """Makes the volume that a claim waits for."""
    spec, meta = claim["spec"], claim["metadata"]
    if spec.get("storageClassName") not in CLASSES or spec.get("volumeName") \
            or claim["status"].get("phase") != "Pending" or "deletionTimestamp" in meta:
        return
    folder = layout.VOLUMES / f"{meta['namespace']}_{meta['name']}_{meta['uid']}"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)  # fsGroup does nothing for a hostPath, and pods do not run as root
    volume = {
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{meta['uid']}",
                     "annotations": {"pv.kubernetes.io/provisioned-by": NAME}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "storageClassName": spec["storageClassName"],
            "persistentVolumeReclaimPolicy": "Delete",
            "hostPath": {"path": str(folder), "type": "Directory"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                         "namespace": meta["namespace"], "name": meta["name"],
                         "uid": meta["uid"]}}}
    try:
        client.create(VOLUMES, volume)
        print(f"made {folder}", flush=True)
    except api.ApiError as error:
        if error.code != 409:  # 409: it is there, and the claim is about to be told
            raise


def take_back(client, volume):
    """Removes a volume whose claim is gone, with what is in it."""
    meta, spec = volume["metadata"], volume["spec"]
    if meta.get("annotations", {}).get("pv.kubernetes.io/provisioned-by") != NAME \
            or volume["status"].get("phase") != "Released" or "deletionTimestamp" in meta \
            or spec["persistentVolumeReclaimPolicy"] != "Delete":
        return
    folder = pathlib.Path(spec["hostPath"]["path"])
    if folder.parent != layout.VOLUMES:
        print(f"{meta['name']} is none of ours: {folder}", flush=True)
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        client.delete(f"{VOLUMES}/{meta['name']}")
        print(f"removed {folder}", flush=True)
    except api.ApiError as error:
        if error.code != 404:
            raise


def main():
    client = api.Api("provisioner")
    threading.Thread(target=follow, args=(client, VOLUMES, take_back), daemon=True).start()
    follow(client, CLAIMS, provide)


if __name__ == "__main__":
    main()
