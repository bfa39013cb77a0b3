-- What the gateway does for browsers; browser.py says which route runs which of it. Names in capitals are filled in there.

-- The app's own cookies pass; the login is between browser and gateway.
local function take(headers)
  local kept = {}
  for at = 0, headers:getNumValues("cookie") - 1 do
    for pair in string.gmatch(headers:getAtIndex("cookie", at), "[^;%s][^;]*") do
      if string.sub(pair, 1, #"MARK") ~= "MARK" then kept[#kept + 1] = pair end
    end
  end
  headers:remove("cookie")
  if #kept > 0 then headers:add("cookie", table.concat(kept, "; ")) end
end

-- Whether a page of another origin asks. Pages can't set Sec-Fetch-*; browsers that don't send it send Origin with
-- whatever may change something and with every WebSocket.
local function foreign(headers)
  local site, origin, host = headers:get("sec-fetch-site"), headers:get("origin"), headers:get(":authority")
  if site == "same-origin" then return false end
  if origin then return origin ~= "http://" .. host and origin ~= "https://" .. host end
  return (site == "same-site" or site == "cross-site") and headers:get("sec-fetch-mode") ~= "navigate"
end

-- A path of the app as the browser has to ask for it; one that is so already stays.
local function under(handle, path)
  local prefix = "PREFIX/" .. handle:streamInfo():routeName()
  local knows = string.sub(path, 1, #prefix) == prefix
  if knows and (#path == #prefix or string.find(path, "^[/?#]", #prefix + 1)) then return path end
  return prefix .. path
end

-- An address on this very host becomes a path, so that a TLS proxy in front of the gateway stays in front.
local function moved(handle, location, host)
  local named, rest = string.match(location, "^https?://([^/?#]*)(.*)$")
  if named and named == host then
    location = string.sub(rest, 1, 1) == "/" and rest or "/" .. rest
  end
  local rooted = string.find(location, "^/") and not string.find(location, "^/[/\\]")
  return rooted and under(handle, location) or location
end

local function confined(handle, cookie)
  local before, path, after = string.match(cookie, "^(.-;%s*[Pp][Aa][Tt][Hh]%s*=%s*)([^;]*)(.*)$")
  if not before or string.sub(path, 1, 1) ~= "/" then return cookie end
  return before .. under(handle, path == "/" and "" or path) .. after
end

local function refuse_foreign(handle)
  if foreign(handle:headers()) then
    handle:respond({[":status"] = "403"}, "a page of another origin may not use the login of a browser")
  end
end

local function remember_host(handle)
  handle:streamInfo():dynamicMetadata():set("mlserve", "host", handle:headers():get(":authority"))
end

local function correct(handle)
  local headers, asked = handle:headers(), handle:streamInfo():dynamicMetadata():get("mlserve")
  local location, cookies = headers:get("location"), {}
  if location and asked then headers:replace("location", moved(handle, location, asked["host"])) end
  for at = 0, headers:getNumValues("set-cookie") - 1 do
    cookies[#cookies + 1] = confined(handle, headers:getAtIndex("set-cookie", at))
  end
  headers:remove("set-cookie")
  for _, cookie in ipairs(cookies) do headers:add("set-cookie", cookie) end
end
