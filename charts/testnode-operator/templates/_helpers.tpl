{{/*
The one place where names and labels are made. Everything that a name or a label is made of is cleaned first and cut
then, so that what comes out is valid whatever the release is called and whatever its version is.
*/}}

{{/*
A name of an object: a DNS label that begins with a letter, as a Service wants it. `base` is cut so that `suffix` fits.
Use: include "testnode-operator.cut" (dict "base" $base "suffix" "metrics"). A suffix has at most 9 characters: then the
whole name of a release, of at most 53, is in each name, and no two releases share one.
*/}}
{{- define "testnode-operator.cut" -}}
{{- $suffix := "" -}}
{{- if .suffix -}}{{- $suffix = printf "-%s" .suffix -}}{{- end -}}
{{- $base := regexReplaceAll "[^-a-z0-9]" (lower .base) "-" -}}
{{- $room := int (sub 63 (len $suffix)) -}}
{{ printf "%s%s" (regexReplaceAll "-+$" (trunc $room $base) "") $suffix }}
{{- end -}}

{{/* A value of a label, or a tag of an image: at most 63 of A-Z a-z 0-9 - _ . */}}
{{- define "testnode-operator.clean" -}}
{{ regexReplaceAll "[^-A-Za-z0-9_.]" . "_" | trunc 63 | trimAll "-_." }}
{{- end -}}

{{/* The name that all names of namespaced objects begin with: the release's, with the chart's in it. */}}
{{- define "testnode-operator.base" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if regexMatch "^[^a-z]" .Release.Name -}}
{{ printf "%s-%s" .Chart.Name .Release.Name }}
{{- else if contains .Chart.Name .Release.Name -}}
{{ .Release.Name }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name }}
{{- end -}}
{{- end -}}

{{- define "testnode-operator.fullname" -}}
{{ include "testnode-operator.cut" (dict "base" (include "testnode-operator.base" .)) }}
{{- end -}}

{{/* Use: include "testnode-operator.suffixed" (list . "metrics") */}}
{{- define "testnode-operator.suffixed" -}}
{{ include "testnode-operator.cut" (dict "base" (include "testnode-operator.base" (first .)) "suffix" (last .)) }}
{{- end -}}

{{/* Where the clouds' Secrets are. */}}
{{- define "testnode-operator.namespace" -}}
{{ .Values.namespace | default .Release.Namespace }}
{{- end -}}

{{- define "testnode-operator.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (include "testnode-operator.fullname" .) }}
{{- end -}}

{{/* The operator, as the API server knows it. */}}
{{- define "testnode-operator.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "testnode-operator.serviceAccountName" . }}
{{- end -}}

{{- define "testnode-operator.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (include "testnode-operator.clean" .Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{/* Of adminAddress. */}}
{{- define "testnode-operator.port" -}}
{{ .Values.adminAddress | default "[::]:8080" | splitList ":" | last | int }}
{{- end -}}

{{/* What tells these pods from all others; it can never change. */}}
{{- define "testnode-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "testnode-operator.clean" .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/*
The labels of an object: ours, then those that are for this object, then commonLabels. Where two have one key the first
wins, so that no value can take a label away that a selector needs. Use: include "testnode-operator.labels" (list . $more)
*/}}
{{- define "testnode-operator.labels" -}}
{{- $root := first . -}}
{{- $more := dict -}}
{{- if gt (len .) 1 -}}{{- $more = last . | default dict -}}{{- end -}}
{{- $ours := include "testnode-operator.selectorLabels" $root | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/version" (include "testnode-operator.clean" $root.Chart.AppVersion) -}}
{{- $_ := set $ours "app.kubernetes.io/managed-by" (include "testnode-operator.clean" $root.Release.Service) -}}
{{- $_ := set $ours "helm.sh/chart" (include "testnode-operator.clean" (printf "%s-%s" $root.Chart.Name $root.Chart.Version)) -}}
{{ merge $ours $more ($root.Values.commonLabels | default dict) | toYaml }}
{{- end -}}

{{/* The labels of the pod of `helm test`, which no selector of ours may take for the operator. */}}
{{- define "testnode-operator.labelsOfTest" -}}
{{- $name := printf "%s-test" .Chart.Name | include "testnode-operator.clean" -}}
{{ merge (dict "app.kubernetes.io/name" $name) (include "testnode-operator.labels" (list .) | fromYaml) | toYaml }}
{{- end -}}

{{/* The name of all that is the lock server's. */}}
{{- define "testnode-operator.lockServer" -}}
{{ include "testnode-operator.suffixed" (list . "locks") }}
{{- end -}}

{{/* The lock server, as the API server knows it. */}}
{{- define "testnode-operator.lockServerUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "testnode-operator.lockServer" . }}
{{- end -}}

{{/* What tells the pods of the lock server from all others, the operator's included; it can never change. */}}
{{- define "testnode-operator.selectorLabelsOfLockServer" -}}
app.kubernetes.io/name: {{ printf "%s-locks" .Chart.Name | include "testnode-operator.clean" | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* The labels of what is the lock server's. */}}
{{- define "testnode-operator.labelsOfLockServer" -}}
{{- $own := include "testnode-operator.selectorLabelsOfLockServer" . | fromYaml -}}
{{ merge $own (include "testnode-operator.labels" (list .) | fromYaml) | toYaml }}
{{- end -}}

{{/* What tells the pods that keep images from all others, the operator's too. */}}
{{- define "testnode-operator.selectorLabelsOfImages" -}}
app.kubernetes.io/name: {{ printf "%s-images" .Chart.Name | include "testnode-operator.clean" | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "testnode-operator.labelsOfImages" -}}
{{ merge (include "testnode-operator.selectorLabelsOfImages" . | fromYaml) (include "testnode-operator.labels" (list .) | fromYaml) | toYaml }}
{{- end -}}

{{/* The process that keeps images, as the API server knows it. */}}
{{- define "testnode-operator.userOfImages" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "testnode-operator.suffixed" (list . "images") }}
{{- end -}}

{{/* Who a pod runs as: on OpenShift the platform chooses. */}}
{{- define "testnode-operator.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext | default dict -}}
{{- if or .Values.openshift (.Capabilities.APIVersions.Has "security.openshift.io/v1") -}}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" -}}
{{- end -}}
{{ toYaml $context }}
{{- end -}}

{{/* A duration such as 1h30m or 500ms, in milliseconds; `default` where it is empty. */}}
{{- define "testnode-operator.milliseconds" -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" (.value | default .default) -1 -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+$" .) -}}
{{- $sum = add $sum (mul $number $unit) -}}
{{- end -}}
{{ $sum }}
{{- end -}}

{{/*
What the schema cannot see: values that do not go together. Each is refused with one line that says what to set.
*/}}
{{- define "testnode-operator.check" -}}
{{- if not .Values.image.repository -}}
{{- fail "image.repository: say where the image is, as in --set image.repository=registry.example.test/testnode-operator" -}}
{{- end -}}
{{- if not .Values.serviceAccount.create -}}
{{- if not .Values.serviceAccount.name -}}
{{- fail "serviceAccount.name: name the ServiceAccount to use, or set serviceAccount.create=true" -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.serviceAccount.name "default" -}}
{{- fail "serviceAccount.name: every pod of the namespace that names no other one is the default ServiceAccount; name one of its own" -}}
{{- end -}}
{{- if and (not .Values.leaderElection) (gt (int .Values.replicas) 1) -}}
{{- fail "replicas: more than one needs leaderElection" -}}
{{- end -}}
{{- if and .Values.extraCAs.pem .Values.extraCAs.configMap -}}
{{- fail "extraCAs: give pem or configMap, not both" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) -}}
{{- fail "metrics.serviceMonitor: it selects the Service, which metrics.service.enabled makes" -}}
{{- end -}}
{{- if and .Values.lockServer.tokensForAll (not .Values.lockServer.tokensSecret) -}}
{{- fail "lockServer.tokensForAll: name the Secret of the tokens in lockServer.tokensSecret" -}}
{{- end -}}
{{- $port := include "testnode-operator.port" . | int -}}
{{- if or (lt $port 1) (gt $port 65535) -}}
{{- fail (printf "adminAddress: %d is no port; ports are 1 to 65535" $port) -}}
{{- end -}}
{{- $time := dict -}}
{{- range $name, $default := dict "resync" "10m" "shutdownGrace" "20s" "leaseDuration" "15s" "leaseRenewDeadline" "12s" "leaseRetryPeriod" "2s" -}}
{{- $_ := set $time $name (include "testnode-operator.milliseconds" (dict "value" (get $.Values $name) "default" $default) | int64) -}}
{{- if le (get $time $name) 0 -}}
{{- fail (printf "%s: must be longer than nothing" $name) -}}
{{- end -}}
{{- end -}}
{{- if ge $time.shutdownGrace (mul 1000 (int64 .Values.terminationGracePeriodSeconds)) -}}
{{- fail (printf "shutdownGrace: must be shorter than terminationGracePeriodSeconds, which is %d s: the pod is killed then" (int64 .Values.terminationGracePeriodSeconds)) -}}
{{- end -}}
{{- if .Values.leaderElection -}}
{{- if ge $time.leaseRenewDeadline $time.leaseDuration -}}
{{- fail "leaseRenewDeadline: must be shorter than leaseDuration, or two operators could work at once" -}}
{{- end -}}
{{- if ge $time.leaseRetryPeriod $time.leaseRenewDeadline -}}
{{- fail "leaseRetryPeriod: must be shorter than leaseRenewDeadline, or no leader could renew in time" -}}
{{- end -}}
{{- end -}}
{{- $lists := dict "extraEnv" .Values.extraEnv "images.extraEnv" .Values.images.extraEnv "lockServer.extraEnv" .Values.lockServer.extraEnv -}}
{{- range $list, $env := $lists -}}
{{- $named := dict -}}
{{- range $env -}}
{{- if or (hasPrefix "TESTNODE_" .name) (has .name (list "POD_NAME" "SSL_CERT_DIR")) -}}
{{- fail (printf "%s: the chart sets %s itself; use the value of that name" $list .name) -}}
{{- end -}}
{{- if hasKey $named .name -}}
{{- fail (printf "%s: %s is there twice" $list .name) -}}
{{- end -}}
{{- $_ := set $named .name true -}}
{{- end -}}
{{- end -}}
{{- end -}}
