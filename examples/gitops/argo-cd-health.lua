-- What Argo CD makes of a TestNode, a MachineType and a Cloud. Without it Argo CD calls them healthy as soon as they are
-- applied. It belongs into the ConfigMap argocd-cm, once for each kind:
--
--   resource.customizations.health.testnode.dev_TestNode: |
--     ...
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local function holds(type)
  return conditions[type] ~= nil and conditions[type].status == "True"
end
local ready = conditions.Ready or {message = "Waiting for testnode-operator"}

if obj.metadata.deletionTimestamp ~= nil then
  return {status = "Progressing", message = ready.message}
end
if holds("Paused") then
  return {status = "Suspended", message = conditions.Paused.message}
end
if holds("Stalled") then
  return {status = "Degraded", message = conditions.Stalled.message}
end
if status.observedGeneration ~= nil and status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "Waiting for testnode-operator to see the last edit"}
end
if holds("Ready") then
  return {status = "Healthy", message = ready.message}
end
return {status = "Progressing", message = ready.message}
