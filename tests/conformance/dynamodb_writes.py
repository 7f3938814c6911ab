"""DynamoDB: conditional writes, expressions and transactions."""

from .behaviours import behaviour, equal, expect, refuses
from .dynamodb import API, GUIDE, TABLE, get, put, table, text

EXPRESSIONS = GUIDE + "Expressions.ConditionExpressions.html"


def version_is(number):
    return {"ConditionExpression": "version = :v", "ExpressionAttributeValues": {":v": {"N": str(number)}}}


def versioned(aws):
    table(aws)
    put(aws, "web", version={"N": "1"})


def delete(aws, service="web", **more):
    return aws.dynamodb.delete_item(TableName=TABLE, Key={"service": text(service)}, **more)


def update(aws, expression, service="web", **more):
    key = {"service": text(service)}
    return aws.dynamodb.update_item(TableName=TABLE, Key=key, UpdateExpression=expression, **more)


def deletion(service, **more):
    return {"Delete": {"TableName": TABLE, "Key": {"service": text(service)}, **more}}


def creation(service):
    return {"Put": {"TableName": TABLE, "Item": {"service": text(service)}}}


def transact(aws, *actions, **more):
    return aws.dynamodb.transact_write_items(TransactItems=list(actions), **more)


@behaviour(
    "PutItem with attribute_not_exists refuses an item that is there with ConditionalCheckFailedException",
    API + "PutItem.html",
)
def _(aws):
    versioned(aws)
    request = {
        "TableName": TABLE,
        "Item": {"service": text("web")},
        "ConditionExpression": "attribute_not_exists(service)",
    }
    refuses("ConditionalCheckFailedException", aws.dynamodb.put_item, status=400, **request)
    expect("version" in get(aws, "web")["Item"], "replaces it all the same")


@behaviour("PutItem replaces the whole item", API + "PutItem.html")
def _(aws):
    versioned(aws)
    put(aws, "web", owner=text("shop"))
    equal(sorted(get(aws, "web")["Item"]), ["owner", "service"], "the attributes")


@behaviour("PutItem refuses an item without its key with ValidationException", API + "PutItem.html")
def _(aws):
    table(aws)
    refuses("ValidationException", aws.dynamodb.put_item, TableName=TABLE, Item={"name": text("web")})


@behaviour("PutItem refuses an empty key with ValidationException", API + "PutItem.html")
def _(aws):
    table(aws)
    refuses("ValidationException", put, aws=aws, service="")


@behaviour("PutItem refuses an item above 400 KB with ValidationException", GUIDE + "Constraints.html")
def _(aws):
    table(aws)
    refuses("ValidationException", put, aws=aws, service="web", blob=text("x" * 410_000))


@behaviour("PutItem refuses an empty set with ValidationException", API + "AttributeValue.html")
def _(aws):
    table(aws)
    refuses("ValidationException", put, aws=aws, service="web", owners={"SS": []})


@behaviour("PutItem refuses ReturnValues ALL_NEW with ValidationException", API + "PutItem.html")
def _(aws):
    table(aws)
    request = {"TableName": TABLE, "Item": {"service": text("web")}, "ReturnValues": "ALL_NEW"}
    refuses("ValidationException", aws.dynamodb.put_item, **request)


@behaviour("A number comes back without its trailing zeros", GUIDE + "HowItWorks.NamingRulesDataTypes.html")
def _(aws):
    table(aws)
    put(aws, "web", weight={"N": "1.50"})
    equal(get(aws, "web")["Item"]["weight"], {"N": "1.5"}, "the number")


@behaviour(
    "A number of more than 38 digits is refused with ValidationException",
    GUIDE + "HowItWorks.NamingRulesDataTypes.html",
)
def _(aws):
    table(aws)
    refuses("ValidationException", put, aws=aws, service="web", number={"N": "1" * 39})


@behaviour(
    "DeleteItem refuses a condition that does not hold with ConditionalCheckFailedException", API + "DeleteItem.html"
)
def _(aws):
    versioned(aws)
    refuses("ConditionalCheckFailedException", delete, status=400, aws=aws, **version_is(2))
    expect("Item" in get(aws, "web"), "deletes it all the same")
    delete(aws, **version_is(1))
    expect("Item" not in get(aws, "web"), "does not delete when the condition holds")


@behaviour("DeleteItem succeeds for an item that is not there", API + "DeleteItem.html")
def _(aws):
    table(aws)
    delete(aws, "never")


@behaviour("DeleteItem with attribute_exists refuses an item that is not there", API + "DeleteItem.html")
def _(aws):
    table(aws)
    condition = {"ConditionExpression": "attribute_exists(service)"}
    refuses("ConditionalCheckFailedException", delete, aws=aws, service="never", **condition)


@behaviour("DeleteItem returns the old item for ReturnValues ALL_OLD", API + "DeleteItem.html")
def _(aws):
    versioned(aws)
    equal(delete(aws, ReturnValues="ALL_OLD").get("Attributes", {}).get("version"), {"N": "1"}, "the old version")


@behaviour("A failed condition returns the item when it is asked to", API + "DeleteItem.html")
def _(aws):
    versioned(aws)
    more = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD", **version_is(2)}
    answer = refuses("ConditionalCheckFailedException", delete, aws=aws, **more)
    equal(answer.get("Item", {}).get("version"), {"N": "1"}, "the version of the returned item")


@behaviour("UpdateItem makes an item that is not there", API + "UpdateItem.html")
def _(aws):
    table(aws)
    update(aws, "SET version = :v", "new", ExpressionAttributeValues={":v": {"N": "1"}})
    equal(get(aws, "new")["Item"]["version"], {"N": "1"}, "the version")


@behaviour(
    "UpdateItem refuses a condition that does not hold with ConditionalCheckFailedException", API + "UpdateItem.html"
)
def _(aws):
    versioned(aws)
    values = {":old": {"N": "9"}, ":new": {"N": "10"}}
    request = {"ConditionExpression": "version = :old", "ExpressionAttributeValues": values}
    refuses("ConditionalCheckFailedException", update, aws=aws, expression="SET version = :new", **request)


@behaviour("UpdateItem returns the changed attributes for ReturnValues UPDATED_NEW", API + "UpdateItem.html")
def _(aws):
    versioned(aws)
    answer = update(aws, "SET version = :v", ExpressionAttributeValues={":v": {"N": "2"}}, ReturnValues="UPDATED_NEW")
    equal(answer["Attributes"], {"version": {"N": "2"}}, "the attributes")


@behaviour("UpdateItem refuses to change a key with ValidationException", API + "UpdateItem.html")
def _(aws):
    versioned(aws)
    values = {":v": text("other")}
    refuses("ValidationException", update, aws=aws, expression="SET service = :v", ExpressionAttributeValues=values)


@behaviour("An expression with a reserved word is refused with ValidationException", GUIDE + "ReservedWords.html")
def _(aws):
    table(aws)
    values = {":v": text("on")}
    refuses("ValidationException", update, aws=aws, expression="SET status = :v", ExpressionAttributeValues=values)


@behaviour("An expression value that nothing uses is refused with ValidationException", EXPRESSIONS)
def _(aws):
    versioned(aws)
    values = {":v": {"N": "1"}, ":unused": {"N": "2"}}
    request = {"ConditionExpression": "version = :v", "ExpressionAttributeValues": values}
    refuses("ValidationException", delete, aws=aws, **request)


@behaviour("An expression value that is not given is refused with ValidationException", EXPRESSIONS)
def _(aws):
    versioned(aws)
    refuses("ValidationException", delete, aws=aws, ConditionExpression="version = :v")


@behaviour("A comparison with an attribute that is not there does not hold", EXPRESSIONS)
def _(aws):
    table(aws)
    put(aws, "web")
    refuses("ConditionalCheckFailedException", delete, aws=aws, **version_is(1))


@behaviour("A transaction with one failed condition writes nothing", API + "TransactWriteItems.html")
def _(aws):
    versioned(aws)
    actions = [creation("new"), deletion("web", **version_is(2))]
    refuses("TransactionCanceledException", lambda: transact(aws, *actions), status=400)
    expect("Item" not in get(aws, "new"), "writes the other item")


@behaviour("A cancelled transaction gives a reason for each action, in their order", API + "TransactWriteItems.html")
def _(aws):
    versioned(aws)
    actions = [creation("new"), deletion("web", **version_is(2)), deletion("third")]
    answer = refuses("TransactionCanceledException", lambda: transact(aws, *actions))
    reasons = [reason.get("Code") for reason in answer.get("CancellationReasons", [])]
    equal(reasons, ["None", "ConditionalCheckFailed", "None"], "the reasons")


@behaviour("A transaction whose conditions hold writes everything", API + "TransactWriteItems.html")
def _(aws):
    versioned(aws)
    check = {"ConditionCheck": {"TableName": TABLE, "Key": {"service": text("web")}, **version_is(1)}}
    transact(aws, check, creation("new"))
    expect("Item" in get(aws, "new"), "does not write")


@behaviour("A transaction takes 100 actions", API + "TransactWriteItems.html")
def _(aws):
    table(aws)
    transact(aws, *(deletion(f"web-{number}") for number in range(100)))


@behaviour("A transaction of 101 actions is refused with ValidationException", API + "TransactWriteItems.html")
def _(aws):
    table(aws)
    actions = [deletion(f"web-{number}") for number in range(101)]
    refuses("ValidationException", lambda: transact(aws, *actions), status=400)


@behaviour(
    "A transaction with two actions on one item is refused with ValidationException", API + "TransactWriteItems.html"
)
def _(aws):
    table(aws)
    refuses("ValidationException", lambda: transact(aws, creation("web"), deletion("web")))


@behaviour("A transaction with a known token is not carried out a second time", API + "TransactWriteItems.html")
def _(aws):
    versioned(aws)
    transact(aws, deletion("web"), ClientRequestToken="token-1")
    put(aws, "web")
    transact(aws, deletion("web"), ClientRequestToken="token-1")
    expect("Item" in get(aws, "web"), "carries it out again")


@behaviour(
    "A known token with another transaction is refused with IdempotentParameterMismatchException",
    API + "TransactWriteItems.html",
)
def _(aws):
    table(aws)
    transact(aws, deletion("web"), ClientRequestToken="token-1")
    request = {"TransactItems": [deletion("other")], "ClientRequestToken": "token-1"}
    refuses("IdempotentParameterMismatchException", aws.dynamodb.transact_write_items, **request)
